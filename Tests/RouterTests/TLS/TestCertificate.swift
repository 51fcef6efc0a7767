import Foundation
import Support
import Telemetry
import Testing

@testable import Router

/// A certificate of its own authority for `localhost`, made by openssl.
struct TestCertificate: Sendable {
    let directory: String
    let files: TLSFiles

    /// Makes one in `directory`, valid for `days`.
    init(in directory: String, days: Int = 10, type: String = "ec") async throws {
        self.directory = directory
        var files = TLSFiles(certificate: directory + "/tls.crt", key: directory + "/tls.key")
        files.interval = .milliseconds(20)
        self.files = files
        try await renew(days: days, type: type)
    }

    /// Makes another one, and puts it in the place of the one before: one file after the other, each at once.
    func renew(days: Int = 10, type: String = "ec") async throws {
        try await make("next", days: days, type: type)
        for name in ["crt", "key"] {
            try #require(rename("\(directory)/next.\(name)", "\(directory)/tls.\(name)") == 0)
        }
    }

    /// Makes `NAME.crt` and `NAME.key`.
    func make(_ name: String, days: Int = 10, type: String = "ec") async throws {
        let key = type == "ec" ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : ["-newkey", "rsa:2048"]
        let made = try await command(
            "openssl",
            ["req", "-x509"] + key + [
                "-nodes", "-days", "\(days)", "-subj", "/CN=localhost", "-addext",
                "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "\(name).key", "-out", "\(name).crt",
            ], in: directory)
        try #require(made.succeeded, "\(made.errors)")
    }

    /// The serial number of the certificate in `NAME.crt`.
    func serial(_ name: String = "tls") async throws -> String {
        try await command("openssl", ["x509", "-in", "\(name).crt", "-noout", "-serial"], in: directory).output
    }
}

/// Runs `body` with a Router that speaks TLS.
func withTLSRouter(
    loops: Int = 2, type: String = "ec", configure: @Sendable (inout RouterConfiguration) -> Void = { _ in },
    _ body: @Sendable (TestRouter, TestCertificate) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let certificate = try await TestCertificate(in: directory, type: type)
        try await withRouter(
            loops: loops,
            configure: {
                $0.tls = certificate.files
                configure(&$0)
            }
        ) { router in try await body(router, certificate) }
    }
}

extension TestRouter {
    /// What `curl` makes of a call over TLS.
    func curl(_ certificate: TestCertificate, _ path: String, _ arguments: String...) async throws -> CommandResult {
        try await command(
            "curl",
            ["--silent", "--show-error", "--max-time", "20", "--cacert", certificate.files.certificate] + arguments + [
                "https://localhost:\(port)\(path)"
            ])
    }

    /// What `openssl s_client` says of a connection.
    func client(_ arguments: String..., input: String = "") async throws -> CommandResult {
        try await command(
            "openssl", ["s_client", "-connect", "127.0.0.1:\(port)"] + arguments, input: Array(input.utf8))
    }

    /// The serial number of the certificate that a new connection gets.
    func serial() async throws -> String {
        let shown = try await command(
            "sh",
            ["-c", "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>/dev/null | openssl x509 -noout -serial"])
        return shown.output
    }

    /// A metric's value.
    func metric(_ name: String, _ label: String? = nil) async throws -> Double? {
        for family in try await server.metrics() {
            for sample in family.samples where family.name + sample.suffix == name {
                if label == nil || sample.labels.contains(where: { $0.value == label }) { return sample.value }
            }
        }
        return nil
    }

    /// Waits until a metric has a value.
    func expect(
        _ name: String, _ label: String? = nil, _ expected: Double, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let end = ContinuousClock.now + .seconds(10)
        while try await metric(name, label) ?? 0 != expected, .now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        let found = try await metric(name, label) ?? 0
        #expect(found == expected, "\(name) \(label ?? "")", sourceLocation: sourceLocation)
    }
}
