import FoundationEssentials
import Support
import Testing
import Transfer

@Suite struct TLSTests {
    @Test func `only a certificate that is trusted for the host is accepted`() async throws {
        try await withTemporaryDirectory { directory in
            let made = try await command(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out",
                    "cert.pem",
                ], in: directory)
            try #require(made.succeeded, "\(made.errors)")
            try await withChildReady("python3", ["-uc", Self.server, directory]) { (port) async throws in
                func status(_ trust: TLSSettings.Trust, host: String = "localhost") async throws(TransferError) -> Int {
                    var configuration = HTTPClient.Configuration()
                    configuration.tls = TLSSettings(trust: trust)
                    let client = try HTTPClient(configuration)
                    return try await client.collect(ClientRequest(.get, "https://\(host):\(port)/")).status
                }
                #expect(try await status(.only(pemFile: directory + "/cert.pem")) == 200)
                #expect(try await status(.systemAnd(pemFile: directory + "/cert.pem")) == 200)
                for (trust, host) in [
                    (TLSSettings.Trust.system, "localhost"), (.only(pemFile: directory + "/cert.pem"), "127.0.0.1"),
                    (.only(pemFile: directory + "/missing.pem"), "localhost"),
                ] {
                    let error = await #expect(throws: TransferError.self) { try await status(trust, host: host) }
                    #expect(error?.code == .tls)
                }
            }
        }
    }

    @Test func `a peer that asks for a certificate is shown the one in memory, and trusted by one in memory`()
        async throws
    {
        try await withTemporaryDirectory { directory in
            for name in ["cert", "other"] {
                let made = try await command(
                    "openssl",
                    [
                        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                        name == "cert" ? "key.pem" : "\(name)-key.pem", "-out", "\(name).pem",
                    ], in: directory)
                try #require(made.succeeded, "\(made.errors)")
            }
            @Sendable func read(_ name: String) throws -> [UInt8] {
                Array(try Data(contentsOf: URL(filePath: "\(directory)/\(name)")))
            }
            let trusted = TLSSettings.Trust.onlyCertificates(pem: try read("cert.pem"))
            let own = TLSSettings.Identity(certificate: try read("cert.pem"), key: try read("key.pem"))
            let foreign = TLSSettings.Identity(certificate: try read("other.pem"), key: try read("other-key.pem"))
            let broken = TLSSettings.Identity(certificate: try read("other.pem"), key: try read("key.pem"))
            try await withChildReady("python3", ["-uc", Self.server, directory, "ask"]) { (port) async throws in
                func status(_ settings: TLSSettings) async throws -> Int {
                    var configuration = HTTPClient.Configuration()
                    configuration.tls = settings
                    let client = try HTTPClient(configuration)
                    return try await client.collect(ClientRequest(.get, "https://localhost:\(port)/")).status
                }
                #expect(try await status(TLSSettings(trust: trusted, identity: own)) == 200)
                for refused in [
                    TLSSettings(trust: trusted), TLSSettings(trust: trusted, identity: foreign),
                    TLSSettings(trust: trusted, identity: broken), TLSSettings(trust: .system, identity: own),
                    TLSSettings(trust: .onlyCertificates(pem: try read("other.pem")), identity: own),
                    TLSSettings(trust: .onlyCertificates(pem: Array("nonsense".utf8)), identity: own),
                ] {
                    await #expect(throws: TransferError.self) { try await status(refused) }
                }
            }
        }
    }

    private static let server = """
        import http.server, ssl, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header('Content-Length', '0')
                self.end_headers()
            def log_message(self, *arguments): pass
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1] + '/cert.pem', sys.argv[1] + '/key.pem')
        if 'ask' in sys.argv:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(sys.argv[1] + '/cert.pem')
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *arguments: None
        print(server.server_address[1], flush=True)
        server.serve_forever()
        """
}
