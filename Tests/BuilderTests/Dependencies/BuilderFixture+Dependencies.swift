import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

extension BuilderFixture {
    /// The image that was deployed last.
    func latest() async throws -> OCI.Image {
        let pinned = try #require(deployer.deploys.last).image
        return try await registry.image(pinned.repository, .digest(pinned.digest))
    }

    /// The problem that answers a post with `status`.
    func refusal(_ query: String, _ source: String, _ status: Int) async throws -> Problem {
        try await refusal(query, Array(source.utf8), status)
    }

    func refusal(_ query: String, _ source: [UInt8], _ status: Int) async throws -> Problem {
        let answer = try await post(query, source)
        #expect(answer.status == status, "\(answer.text)")
        return try JSONDecoder().decode(Problem.self, from: Data(answer.body))
    }

    /// Runs the last image as its configuration says, from its own layers above the base, with nothing to fetch from.
    func serving(_ image: OCI.Image, _ body: @Sendable (DenoServer) async throws -> Void) async throws {
        let repository = try #require(deployer.deploys.last).image.repository
        try await withRoot { root in
            for layer in image.manifest.layers.dropFirst(2) {
                let bytes = try await registry.blob(repository, layer)
                let unpacked = try await command("tar", ["-xzf", "-", "-C", root], input: bytes)
                #expect(unpacked.output == "")
            }
            let execution = try #require(image.config.config)
            var environment: [String: String] = [:]
            for line in execution.environment ?? [] where line.hasPrefix("DENO_DIR=") {
                environment["DENO_DIR"] = root + line.dropFirst("DENO_DIR=".count)
            }
            let arguments = (execution.entrypoint ?? []) + (execution.command ?? [])
            let outcome = try await withDeno(root: root, arguments: arguments, environment: environment) { server in
                guard let server else { return }
                try await body(server)
            }
            #expect(outcome.exitCode == 0, "\(outcome.log)")
        }
    }
}

/// Runs `body` beside a server on the loopback device that accepts connections and says nothing.
func withSilentServer(_ body: @Sendable (_ port: String) async throws -> Void) async throws {
    let script = """
        import socket, time
        server = socket.create_server(("127.0.0.1", 0), backlog=64)
        print(server.getsockname()[1], flush=True)
        time.sleep(600)
        """
    try await withChildReady("python3", ["-c", script]) { port in try await body(port) }
}
