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
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *arguments: None
        print(server.server_address[1], flush=True)
        server.serve_forever()
        """
}
