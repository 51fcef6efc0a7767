import Contract
import Foundation
import Testing

@Suite struct CORSPolicyTests {
    private func read(_ query: [(String, String)]) throws -> CORSPolicy? {
        try FunctionSpec(query: query.map { (name: $0.0, value: $0.1) }, limits: SpecLimits()).cors
    }

    @Test func `every option is read, into one spelling and order`() throws {
        let policy = try #require(
            try read([
                ("cors", "https://B.example:443"), ("cors", "http://localhost:8080"), ("cors-methods", "PUT, GET,GET"),
                ("cors-headers", "X-User,authorization"), ("cors-expose", "X-Total"), ("cors-credentials", "true"),
                ("cors-max-age", "0"),
            ]))
        #expect(policy.origins == ["http://localhost:8080", "https://b.example"])
        #expect(policy.methods == ["GET", "PUT"])
        #expect(policy.headers == ["authorization", "x-user"] && policy.exposed == ["x-total"])
        #expect(policy.credentials && policy.maxAgeSeconds == 0)
    }

    @Test func `the order of options makes no other configuration`() throws {
        let one = try read([("cors", "https://a"), ("cors", "https://b"), ("cors-methods", "GET,PUT")])
        let two = try read([("cors-methods", "PUT,GET"), ("cors", "HTTPS://B"), ("cors", "https://a:443")])
        #expect(one == two && one != nil)
    }

    @Test func `without the options nothing is recorded, and with them what was said is read again`() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let none = String(decoding: try encoder.encode(FunctionSpec()), as: UTF8.self)
        #expect(
            none
                == """
                {"concurrency":100,"cpuMillicores":1000,"environment":{},"max":10,"memoryBytes":268435456,"min":1,\
                "network":"internet","secrets":[],"timeoutSeconds":60}
                """)
        var spec = FunctionSpec()
        spec.cors = try CORSPolicy(origins: ["*"], headers: "X-A", exposed: "*")
        let recorded = try encoder.encode(spec)
        #expect(
            String(decoding: recorded, as: UTF8.self).contains(
                #""cors":{"credentials":false,"expose":["*"],"headers":["x-a"],"maxAgeSeconds":600,"origins":["*"]}"#))
        #expect(try JSONDecoder().decode(FunctionSpec.self, from: recorded) == spec)
    }

    @Test(arguments: [
        ("https://example.com", "https://example.com"), ("HTTP://EXAMPLE.com:80", "http://example.com"),
        ("https://example.com:8443", "https://example.com:8443"), ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:8080", "http://[::1]:8080"), ("capacitor://localhost", "capacitor://localhost"),
        ("https://a:080", "https://a:80"), ("*", "*"),
    ])
    func `an origin is kept as browsers write it`(text: String, kept: String) throws {
        #expect(try CORSPolicy(origins: [text]).origins == [kept])
    }

    @Test(arguments: [
        "", "example.com", "https://", "https://example.com/", "https://example.com/a", "https://u@example.com",
        "https://a b", "https://*.example.com", "null", "https://bücher.example", "https://example.com:0",
        "https://example.com:65536", "https://example.com:", "https://[::1", "https://a\r\nX: y", "1http://a",
        "https://example.com?x", "https://\(String(repeating: "a", count: 300))",
    ])
    func `what is no origin is refused`(text: String) {
        let error = #expect(throws: InvalidOption.self) { try CORSPolicy(origins: [text]) }
        #expect(error?.name == "cors")
    }

    @Test(
        arguments: [
            ([("cors", "*"), ("cors-credentials", "true")], "cors-credentials", "name the origins instead"),
            ([("cors", "*"), ("cors", "https://a")], "cors", "give it alone"),
            ([("cors", "https://a"), ("cors", "https://a")], "cors", "given twice"),
            ([("cors", "https://a"), ("cors", "https://A:443")], "cors=https://A:443", "given twice"),
            ([("cors-methods", "GET")], "cors-methods", "it goes with cors=ORIGIN"),
            ([("cors", "https://a"), ("cors-methods", "get")], "cors-methods", "upper case"),
            ([("cors", "https://a"), ("cors-methods", "GET,,PUT")], "cors-methods", "e.g. GET,POST"),
            ([("cors", "https://a"), ("cors-headers", "X A")], "cors-headers", "e.g. X-User"),
            ([("cors", "https://a"), ("cors-headers", "*")], "cors-headers", "e.g. X-User"),
            (
                [("cors", "https://a"), ("cors-expose", "*"), ("cors-credentials", "true")], "cors-expose",
                "name the fields"
            ),
            ([("cors", "https://a"), ("cors-credentials", "yes")], "cors-credentials", "true or false"),
            ([("cors", "https://a"), ("cors-max-age", "86401")], "cors-max-age", "from 0 to 86400"),
            ([("cors", "https://a"), ("cors-max-age", "-1")], "cors-max-age", "from 0 to 86400"),
            ([("cors", "https://a"), ("cors-methods", "GET"), ("cors-methods", "PUT")], "cors-methods", "given twice"),
        ] as [([(String, String)], String, String)])
    func `what makes no sense is refused with what would`(
        query: [(String, String)], name: String, sentence: String
    ) {
        let error = #expect(throws: InvalidOption.self) { try read(query) }
        #expect(error?.name == name)
        #expect(error?.description.contains(sentence) == true, "\(error?.description ?? "")")
    }

    @Test func `32 origins, 64 names and 4096 bytes are the most`() throws {
        let origins = (0..<33).map { "https://a\($0)" }
        #expect(try CORSPolicy(origins: Array(origins.prefix(32))).origins.count == 32)
        #expect(throws: InvalidOption.self) { try CORSPolicy(origins: origins) }
        let names = (0..<65).map { "x-\($0)" }
        #expect(try CORSPolicy(origins: ["*"], headers: names.prefix(64).joined(separator: ",")).headers?.count == 64)
        #expect(throws: InvalidOption.self) { try CORSPolicy(origins: ["*"], headers: names.joined(separator: ",")) }
        #expect(throws: InvalidOption.self) {
            try CORSPolicy(origins: ["*"], headers: String(repeating: "x", count: CORSPolicy.longestName + 1))
        }
        // 31 of 128 bytes and one of 129.
        let long = (0..<31).map { "https://" + String(repeating: "a", count: 118) + "\(10 + $0)" }
        let last = "https://" + String(repeating: "b", count: 120)
        #expect(try CORSPolicy(origins: long + [last]).origins.joined().utf8.count == CORSPolicy.mostBytes)
        let error = #expect(throws: InvalidOption.self) { try CORSPolicy(origins: long + [last + "b"]) }
        #expect(error?.description.contains("4097 bytes, 4096 are allowed") == true, "\(error?.description ?? "")")
    }

    /// The API server's schema cannot say all of it; what it lets through must not keep others' objects from being read.
    @Test func `what was recorded and cannot be used is left out`() throws {
        let recorded = """
            {"origins":["https://a:99999","https://B:443","https://a\\r\\nX: y"],"methods":["GET","a b"],"headers":["x\\r\\n"],\
            "expose":["x-a","*"],"credentials":true,"maxAgeSeconds":-1}
            """
        let policy = try JSONDecoder().decode(CORSPolicy.self, from: Data(recorded.utf8))
        #expect(policy.origins == ["https://b"] && policy.methods == ["GET"] && policy.headers == [])
        #expect(policy.exposed == ["x-a"] && policy.credentials && policy.maxAgeSeconds == 0)
        let open = #"{"origins":["*","https://a"],"credentials":true}"#
        let any = try JSONDecoder().decode(CORSPolicy.self, from: Data(open.utf8))
        #expect(any.allowsAnyOrigin && !any.credentials && any.maxAgeSeconds == 600)
    }
}
