import Contract
import Foundation
import Logging
import Support
import Synchronization
import Testing

@testable import Router

/// Which certificate connections get.
@Suite struct CertificateTests {
    private static let loads = "kiln_router_tls_certificate_loads_total"

    @Test func `new files are taken by new connections, old connections go on`() async throws {
        try await withTLSRouter { router, certificate in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let first = try await certificate.serial()
            #expect(try await router.serial() == first)
            let before = try #require(try await router.metric("kiln_router_tls_certificate_expiry_seconds"))
            let days = (before - Date().timeIntervalSince1970) / 86_400
            #expect((9.9...10.1).contains(days))
            async let old = command(
                "python3",
                [
                    "-c",
                    """
                    import socket, ssl, time
                    c = ssl._create_unverified_context()
                    s = c.wrap_socket(socket.create_connection(('127.0.0.1', \(router.port)), 20))
                    for _ in range(30):
                        s.sendall(b'GET /fn/f HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n')
                        assert b'200 OK' in s.recv(65536)
                        time.sleep(0.05)
                    """,
                ])
            try await Task.sleep(for: .milliseconds(300))
            try await certificate.renew(days: 20)
            try await router.expect(Self.loads, "taken", 2)
            let second = try await certificate.serial()
            #expect(try await router.serial() == second && first != second)
            let after = try #require(try await router.metric("kiln_router_tls_certificate_expiry_seconds"))
            #expect(after - before > 9 * 86_400)
            let result = try await old
            #expect(result.succeeded, "\(result.errors)")
        }
    }

    @Test func `a pair that does not fit leaves the one before, and is counted once`() async throws {
        try await withTLSRouter { router, certificate in
            let first = try await certificate.serial()
            let path = certificate.directory
            try await certificate.make("other")
            try #require(rename("\(path)/other.crt", "\(path)/tls.crt") == 0)
            try await router.expect(Self.loads, "refused", 1)
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await router.metric(Self.loads, "refused") == 1)
            #expect(try await router.serial() == first)
            // Half of a file, and none.
            let whole = try Data(contentsOf: URL(filePath: "\(path)/tls.crt"))
            try whole.prefix(200).write(to: URL(filePath: "\(path)/tls.crt"))
            try await router.expect(Self.loads, "refused", 2)
            unlink("\(path)/tls.crt")
            try await router.expect(Self.loads, "refused", 3)
            #expect(try await router.serial() == first)
            try whole.write(to: URL(filePath: "\(path)/tls.crt"))
            try #require(rename("\(path)/other.key", "\(path)/tls.key") == 0)
            try await router.expect(Self.loads, "taken", 2)
            let second = try await certificate.serial()
            #expect(try await router.serial() == second)
        }
    }

    @Test func `no request fails while certificates change`() async throws {
        try await withTLSRouter { router, certificate in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let tally = Tally()
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        while !tally.isOver {
                            // Five calls a connection, and any certificate will do.
                            let url = "https://127.0.0.1:\(router.port)/fn/f"
                            let result = try? await command(
                                "curl",
                                ["--silent", "--show-error", "--fail", "--insecure", "--max-time", "10"]
                                    + Array(repeating: url, count: 5))
                            tally.count(result?.output == "okokokokok" ? nil : result?.errors ?? "none")
                        }
                    }
                }
                group.addTask {
                    for number in 2..<12 {
                        try? await certificate.renew()
                        try? await router.expect(Self.loads, "taken", Double(number))
                    }
                    tally.end()
                }
            }
            #expect(tally.failures.isEmpty, "\(tally.failures.prefix(3)) of \(tally.calls)")
            #expect(tally.calls > 10)
        }
    }

    @Test func `one that has expired does not replace one that has not`() async throws {
        try await withTemporaryDirectory { directory in
            let certificate = try await TestCertificate(in: directory, days: 10)
            let time = Mutex(Int(Date().timeIntervalSince1970) + 5 * 86_400)
            let store = try CertificateStore(certificate.files, logger: quiet) { time.withLock { $0 } }
            let first = store.current.notAfter
            try await certificate.renew(days: 2)
            store.refresh()
            #expect(store.current.notAfter == first)
            // Where both have, the newer one may as well be used.
            time.withLock { $0 += 10 * 86_400 }
            store.refresh()
            #expect(store.current.notAfter < first)
        }
    }

    @Test func `links that are exchanged are followed, as Kubernetes and certbot do it`() async throws {
        try await withTemporaryDirectory { directory in
            for name in ["one", "two"] {
                try FileManager.default.createDirectory(
                    atPath: "\(directory)/\(name)", withIntermediateDirectories: false)
                _ = try await TestCertificate(in: "\(directory)/\(name)")
            }
            try #require(symlink("one", "\(directory)/data") == 0)
            let files = TLSFiles(certificate: "\(directory)/data/tls.crt", key: "\(directory)/data/tls.key")
            let store = try CertificateStore(files, logger: quiet)
            let before = store.figures.loads
            try #require(
                symlink("two", "\(directory)/next") == 0 && rename("\(directory)/next", "\(directory)/data") == 0)
            store.refresh()
            #expect(store.figures.loads == before + 1)
        }
    }

    @Test(arguments: [
        ("missing", "is missing or cannot be read (--tls-certificate)"), ("empty", "no certificate"),
        ("text", "no certificate"), ("key", "is not the one of the first certificate"),
        ("password", "no private key in PEM without a password (--tls-key)"),
    ])
    func `what cannot work is told in a sentence`(kind: String, sentence: String) async throws {
        try await withTemporaryDirectory { directory in
            let certificate = try await TestCertificate(in: directory)
            var files = certificate.files
            switch kind {
            case "missing": files.certificate += "x"
            case "empty": try Data().write(to: URL(filePath: files.certificate))
            case "text": try Data("nothing\n".utf8).write(to: URL(filePath: files.certificate))
            case "key":
                try await certificate.make("other")
                files.key = directory + "/other.key"
            default:
                let made = try await command(
                    "openssl", ["ec", "-in", "tls.key", "-aes128", "-passout", "pass:secret", "-out", "locked.key"],
                    in: directory)
                try #require(made.succeeded)
                files.key = directory + "/locked.key"
            }
            let error = #expect(throws: RouterError.self) { try files.check() }
            #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
        }
    }

    private var quiet: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }
}

/// What clients have seen.
private final class Tally: Sendable {
    private let state = Mutex((calls: 0, failures: [String](), isOver: false))

    var calls: Int { state.withLock { $0.calls } }
    var failures: [String] { state.withLock { $0.failures } }
    var isOver: Bool { state.withLock { $0.isOver } }

    func end() { state.withLock { $0.isOver = true } }

    func count(_ failure: String?) {
        state.withLock { state in
            state.calls += 1
            if let failure { state.failures.append(failure) }
        }
    }
}
