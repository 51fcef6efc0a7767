import Foundation
import Support
import Testing

/// No request over TLS fails while what serves it changes; h2load is the client, with HTTP/2 and with HTTP/1.1.
@Suite(.serialized, .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/h2load")))
struct SecureLoadTests {
    @Test func `deploys, rollbacks and instances that are killed lose no request over TLS, of HTTP 2 or HTTP 1`()
        async throws
    {
        let seconds = isLong ? 60 : 10
        try await withSecureDoor { platform, url, certificate in
            @Sendable func call(_ path: String, _ arguments: String...) async throws -> String {
                let result = try await Support.command(
                    "curl",
                    ["--silent", "--show-error", "--cacert", certificate, "--write-out", " %{http_code}"] + arguments
                        + [url + path])
                return result.output + result.errors
            }
            @Sendable func deploy(_ round: Int) async throws {
                let source = "export default () => new Response('\(round)');"
                let told = try await call("/func?name=busy&min=2&max=2", "--data-binary", source)
                try #require(told.hasSuffix(" 201") || told.hasSuffix(" 202"), "\(told)")
            }
            @Sendable func load(_ flags: String...) async throws -> String {
                let result = try await Support.command(
                    "h2load", flags + ["-c", "4", "-D", "\(seconds)", url + "/fn/busy"])
                return result.output + result.errors
            }
            try await deploy(0)
            async let two = load("-m", "4")
            async let one = load("--h1")
            let end = ContinuousClock.now + .seconds(seconds - 1)
            var round = 0
            while .now < end {
                round += 1
                try await deploy(round)
                if round % 3 == 0 {
                    #expect(try await call("/func/busy/rollback", "--request", "POST").hasSuffix(" 200"))
                }
                // Calls that it was answering are GETs: another instance has them.
                if round % 2 == 0, let pid = try LimitTests.processes(in: platform.state).last {
                    kill(Int32(pid), SIGKILL)
                }
                try await Task.sleep(for: .seconds(2))
            }
            for told in [try await two, try await one] {
                #expect(told.contains(" 0 failed, 0 errored, 0 timeout"), "\(told)")
                #expect(told.contains(/status codes: \d\d\d+ 2xx, 0 3xx, 0 4xx, 0 5xx/), "\(told)")
            }
        }
    }

    /// Gives `body` a platform whose door speaks TLS, its URL, and the certificate to trust.
    private func withSecureDoor(_ body: @Sendable (Platform, String, String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let made = try await Support.command(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                    "tls.key", "-out", "tls.crt",
                ], in: directory)
            try #require(made.succeeded, "\(made.errors)")
            try await withState { state, port, registryPort in
                let platform = try await Platform(
                    state: state, port: port, registryPort: registryPort,
                    arguments: ["--tls-certificate", directory + "/tls.crt", "--tls-key", directory + "/tls.key"])
                try await body(platform, "https://127.0.0.1:\(port)", directory + "/tls.crt")
                await platform.stop()
            }
        }
    }
}
