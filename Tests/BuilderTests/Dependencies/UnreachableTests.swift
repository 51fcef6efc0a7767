import Builder
import Contract
import FoundationEssentials
import Support
import Testing
import Transfer

/// Hosts of imports that cannot be reached, do not answer or cannot prove who they are.
@Suite(.serialized) struct UnreachableTests {
    @Test func `modules over TLS need a certificate of a public authority, or of the operator's`() async throws {
        try await withCertificate { authority, certificate in
            try await withModuleServer(["a.ts": "export const a: number = 7;"], certificate: certificate) { url in
                let source = "import { a } from '\(url)a.ts'; export default () => new Response(String(a))"
                let host = url.split(separator: "/")[1]
                try await withBuilder(imports: try DependencyTests.settings()) { builder in
                    let problem = try await builder.refusal("name=tls", source, 502)
                    #expect(problem.type == "urn:kiln:imports-unavailable")
                    #expect(
                        problem.detail.contains("certificate of \(host)") && problem.detail.contains("--ca FILE"),
                        "\(problem.detail)")
                }
                var settings = try DependencyTests.settings()
                settings.certificates = try String(contentsOfFile: authority, encoding: .utf8)
                try await withBuilder(imports: settings) { builder in
                    let answer = try await builder.post("name=tls", source)
                    #expect(answer.status == 201, "\(answer.text)")
                    try await builder.serving(try await builder.latest()) { server in
                        let answer = try await server.call("/")
                        #expect(answer.text == "7")
                    }
                }
            }
        }
    }

    @Test func `a registry whose certificate is not trusted is named, with what to do`() async throws {
        try await withCertificate { _, certificate in
            try await withModuleServer([:], certificate: certificate) { url in
                try await withBuilder(imports: try DependencyTests.settings(npm: url, jsr: url)) { builder in
                    for specifier in ["npm:a", "jsr:@a/b"] {
                        let source = "import a from '\(specifier)'; export default () => a"
                        let problem = try await builder.refusal("name=tls", source, 502)
                        #expect(
                            problem.detail.contains("certificate of 127.0.0.1")
                                && problem.detail.contains("--ca FILE"), "\(specifier): \(problem.detail)")
                    }
                }
            }
        }
    }

    @Test func `a host that accepts connections and says nothing is named long before the whole time is over`()
        async throws
    {
        try await withSilentServer { port in
            var settings = try DependencyTests.settings(npm: "http://127.0.0.1:\(port)/")
            settings.silence = 1
            settings.seconds = 600
            try await withBuilder(imports: settings) { builder in
                for specifier in ["npm:a", "http://127.0.0.1:\(port)/a.js", "https://127.0.0.1:\(port)/a.js"] {
                    let source = "import a from '\(specifier)'; export default () => a"
                    let problem = try await builder.refusal("name=silent", source, 502)
                    #expect(problem.type == "urn:kiln:imports-unavailable")
                    #expect(
                        problem.detail.contains(
                            "127.0.0.1 did not answer on port \(port) within 1 seconds (--import-timeout)"),
                        "\(specifier): \(problem.detail)")
                }
            }
        }
    }
}

/// Runs `body` with the paths of an authority's certificate, and of a certificate for 127.0.0.1 signed by it with its key.
func withCertificate(_ body: @Sendable (_ authority: String, _ certificate: String) async throws -> Void) async throws {
    try await withTemporaryDirectory { directory in
        let script = """
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
                -keyout authority.key -out authority.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout server.key -out server.csr
            printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >extensions
            openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
                -extfile extensions -out server.crt
            cat server.crt server.key >server.pem
            """
        let made = try await command("sh", ["-ec", script], in: directory)
        #expect(made.succeeded, "\(made.errors)")
        try await body("\(directory)/authority.pem", "\(directory)/server.pem")
    }
}
