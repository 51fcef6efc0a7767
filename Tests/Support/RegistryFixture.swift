import FoundationEssentials
package import Transfer

/// A `docker-registry` beside a test.
package struct RegistryFixture: Sendable {
    /// `127.0.0.1:port`, as in image references.
    package let authority: String
    /// `http://127.0.0.1:port`.
    package let url: String
    /// Where it keeps its data.
    package let directory: String
    /// A client to talk to it with.
    package let client: HTTPClient
}

/// Runs Debian's `docker-registry` on a free port of the loopback address beside `body`, its data in a directory that
/// goes with it. `deletes` is whether it lets its clients delete.
package func withRegistry<Result: Sendable>(
    deletes: Bool = true, _ body: @Sendable (RegistryFixture) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        let authority = "127.0.0.1:\(try freePort())"
        let configuration = """
            version: 0.1
            log: {level: error, accesslog: {disabled: true}}
            storage:
              filesystem: {rootdirectory: \(directory)/data}
              delete: {enabled: \(deletes)}
              maintenance: {uploadpurging: {enabled: false}}
            http: {addr: "\(authority)"}
            """
        let path = directory + "/config.yml"
        try Data(configuration.utf8).write(to: URL(filePath: path))
        return try await withChild("docker-registry", ["serve", path]) { _ in
            let fixture = RegistryFixture(
                authority: authority, url: "http://" + authority, directory: directory, client: try HTTPClient())
            try await waitUntil("docker-registry answers") {
                (try? await fixture.client.collect(ClientRequest(.get, fixture.url + "/v2/")))?.status == 200
            }
            return try await body(fixture)
        }
    }
}

/// Asks `condition` again and again until it holds, for at most ten seconds.
package func waitUntil(_ what: String, _ condition: @Sendable () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard .now < deadline else { throw FixtureFailure("Waited in vain until \(what).") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
