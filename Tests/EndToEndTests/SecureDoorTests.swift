import Foundation
import Support
import Testing

/// A platform whose front door speaks TLS, as its users meet it.
@Suite struct SecureDoorTests {
    private func makeCertificate(_ directory: String, _ name: String) async throws {
        let made = try await Support.command(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "\(name).key",
                "-out",
                "\(name).crt",
            ], in: directory)
        try #require(made.succeeded, "\(made.errors)")
    }

    @Test func `curl and kiln call it by https, also after the Router has crashed and the certificate has changed`()
        async throws
    {
        try await withTemporaryDirectory { directory in
            try await makeCertificate(directory, "tls")
            try await withState { state, port, registryPort in
                let certificate = directory + "/tls.crt"
                let platform = try await Platform(
                    state: state, port: port, registryPort: registryPort,
                    arguments: ["--tls-certificate", certificate, "--tls-key", directory + "/tls.key"])
                let url = "https://127.0.0.1:\(port)"
                let address = try String(contentsOfFile: state + "/run/address", encoding: .utf8)
                #expect(address == url + "\n")
                func curl(_ path: String, _ arguments: String...) async throws -> String {
                    let result = try await Support.command(
                        "curl", ["--silent", "--show-error", "--cacert", certificate] + arguments + [url + path])
                    return result.output + result.errors
                }
                let source = "export default (r: Request) => new Response(r.headers.get('x-forwarded-proto'));"
                let deployed = try await curl("/func?name=secure", "--data-binary", source)
                #expect(deployed.contains("\"url\":\"\(url)/fn/secure\""), "\(deployed)")
                #expect(try await curl("/fn/secure", "--write-out", " %{http_version}") == "https 2")
                #expect(try await curl("/fn/secure", "--http1.1", "--write-out", " %{http_version}") == "https 1.1")
                let list = try await Support.command(
                    Platform.program, ["list", "--url", url, "--ca-file", certificate])
                #expect(list.output.contains("\(url)/fn/secure"), "\(list.errors)")
                let plain = try await Support.command(
                    Platform.program, ["list", "--url", "http://127.0.0.1:\(port)"])
                #expect(plain.errors.contains("call it by a URL that begins with https://"), "\(plain.errors)")

                try await makeCertificate(directory, "next")
                for end in ["crt", "key"] {
                    try #require(rename("\(directory)/next.\(end)", "\(directory)/tls.\(end)") == 0)
                }
                try await eventually("the new certificate is used") {
                    try await curl("/healthz") == "ok\n"
                }
                let router = try #require(platform.child("router"))
                kill(router, SIGKILL)
                #expect(try await curl("/fn/secure", "--retry", "5", "--retry-all-errors") == "https")
                await platform.stop()
            }
        }
    }

    @Test(arguments: [
        (["--tls-certificate", "missing.crt"], "--tls-certificate needs --tls-key"),
        (["--tls-key", "missing.key"], "--tls-key needs --tls-certificate"),
        (["--tls-certificate", "missing.crt", "--tls-key", "missing.key"], "missing.crt is missing or cannot be read"),
        (["--tls-handshake-timeout", "0"], "--tls-handshake-timeout cannot be 0"),
        (["--max-streams", "0"], "--max-streams cannot be 0"),
        (["--max-stream-window", "1"], "--max-stream-window cannot be"),
    ])
    func `what cannot be is told in a sentence`(arguments: [String], sentence: String) async throws {
        try await withTemporaryDirectory { directory in
            let result = try await Support.command(
                Platform.program,
                ["router", "--listen", "127.0.0.1:0", "--state-dir", directory + "/state"] + arguments, in: directory)
            #expect(!result.succeeded && (result.errors + result.output).contains(sentence), "\(result.errors)")
        }
    }
}
