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
            @Sendable func deploy(_ round: Int) async throws {
                let source = "export default () => new Response('\(round)');"
                try await self.deploy("busy", source, url, certificate, "&min=2&max=2")
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
                    let told = try await call("/func/busy/rollback", url, certificate, "--request", "POST")
                    #expect(told.hasSuffix(" 200"), "\(told)")
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

    private static let echo = "export default async (r: Request) => new Response('seen ' + await r.text());"

    @Test func `a Router that is restarted on its socket loses no request over TLS, of HTTP 2 or HTTP 1`() async throws
    {
        try await withSecureDoor { platform, url, certificate in
            try await deploy("steady", Self.echo, url, certificate)
            let port = try #require(url.split(separator: ":").last.flatMap { Int($0) })
            let load = try SecureClients(
                port: port, path: "/fn/steady", certificate: certificate, one: 8, two: 4, streams: 4)
            let end = ContinuousClock.now + .seconds(isLong ? 70 : 5)
            var restarts = 0
            while .now < end {
                try await Task.sleep(for: .seconds(2))
                // It ends as the system ends it: what it has begun it answers, and those who come meanwhile wait at the socket.
                let pid = try #require(platform.child("router"))
                kill(pid, SIGTERM)
                try await eventually("it is started again", within: .seconds(40)) {
                    platform.child("router") != pid && kill(pid, 0) != 0
                }
                restarts += 1
            }
            try await Task.sleep(for: .seconds(1))
            try await load.stopWithoutFailure(atLeast: 100, connections: 4)
            #expect(restarts >= (isLong ? 5 : 2))
        }
    }

    @Test func `instances that come and go with the load lose no request over TLS, of HTTP 2 or HTTP 1`() async throws {
        try await withSecureDoor(["--scale-down-after", "1s"]) { platform, url, certificate in
            let source = """
                export default async (r: Request) => {
                  const text = await r.text();
                  await new Promise((done) => setTimeout(done, 200));
                  return new Response('seen ' + text);
                };
                """
            try await deploy("busy", source, url, certificate, "&min=1&max=10&concurrency=4")
            let port = try #require(url.split(separator: ":").last.flatMap { Int($0) })
            func load(_ one: Int, _ two: Int, _ streams: Int) throws -> SecureClients {
                try SecureClients(
                    port: port, path: "/fn/busy", certificate: certificate, one: one, two: two, streams: streams)
            }
            func ready() async throws -> Int? {
                let shown = try await call("/func/busy", url, certificate)
                return shown.firstMatch(of: /"ready":(\d+)/).flatMap { Int($0.1) }
            }
            let end = ContinuousClock.now + .seconds(isLong ? 60 : 0)
            repeat {
                let rest = try load(1, 1, 1)
                let heavy = try load(12, 4, 8)
                try await eventually("there are ten", within: .seconds(60)) { try await ready() == 10 }
                try await heavy.stopWithoutFailure(atLeast: 50, connections: 4)
                // Some load stays: instances are taken away while calls go on.
                try await eventually("there is one", within: .seconds(60)) { try await ready() == 1 }
                try await rest.stopWithoutFailure(atLeast: 10, connections: 1)
            } while .now < end
        }
    }

    /// What `curl` makes of a call, with its status behind it.
    private func call(_ path: String, _ url: String, _ certificate: String, _ arguments: String...) async throws
        -> String
    {
        let result = try await Support.command(
            "curl",
            ["--silent", "--show-error", "--cacert", certificate, "--write-out", " %{http_code}"] + arguments
                + [url + path])
        return result.output + result.errors
    }

    private func deploy(
        _ name: String, _ source: String, _ url: String, _ certificate: String, _ options: String = ""
    ) async throws {
        let told = try await call("/func?name=\(name)\(options)", url, certificate, "--data-binary", source)
        try #require(told.hasSuffix(" 201") || told.hasSuffix(" 202"), "\(told)")
    }

    /// Gives `body` a platform whose door speaks TLS, its URL, and the certificate to trust.
    private func withSecureDoor(
        _ arguments: [String] = [], _ body: @Sendable (Platform, String, String) async throws -> Void
    ) async throws {
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
                    arguments: ["--tls-certificate", directory + "/tls.crt", "--tls-key", directory + "/tls.key"]
                        + arguments)
                try await body(platform, "https://127.0.0.1:\(port)", directory + "/tls.crt")
                await platform.stop()
            }
        }
    }
}
