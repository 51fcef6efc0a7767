import Testing

@testable import Router

@Suite struct FunctionHostTests {
    private func name(_ pattern: String, _ host: String) throws -> String? {
        let pattern = try FunctionHost(pattern)
        return Array(host.utf8).withUnsafeBytes { pattern.name(in: $0) }
    }

    @Test(arguments: [
        ("{name}.example.com", "hello.example.com", "hello" as String?),
        ("{name}.example.com", "HELLO.Example.COM.", "hello"), ("{NAME}.Example.com", "hello.example.com", "hello"),
        ("fn-{name}-x.a.b", "fn-hello-2-x.a.b", "hello-2"), ("{name}.localhost", "a.localhost", "a"),
        ("{name}.example.com", "example.com", nil), ("{name}.example.com", ".example.com", nil),
        ("{name}.example.com", "a.b.example.com", nil), ("{name}.example.com", "hello.example.com.evil", nil),
        ("{name}.example.com", "helloXexample.com", nil), ("{name}.example.com", "hel_lo.example.com", nil),
        ("{name}.example.com", "hello@1.example.com", nil), ("fn-{name}.a.b", "hello.a.b", nil),
        ("fn-{name}.a.b", "fn-.a.b", nil), ("{name}.a.b", "kiln.a.b", nil), ("{name}.a.b", "metrics.a.b", nil),
        ("{name}.a.b", String(repeating: "a", count: 40) + ".a.b", String(repeating: "a", count: 40)),
        ("{name}.a.b", String(repeating: "a", count: 41) + ".a.b", nil), ("{name}.localhost", "localhost", nil),
        ("{name}.localhost", "127.0.0.1", nil), ("{name}.localhost", "::1", nil),
    ])
    func `a host names a function when it fits the pattern`(pattern: String, host: String, expected: String?) throws {
        #expect(try name(pattern, host) == expected)
    }

    @Test(arguments: [
        "", "example.com", "{name}", "{name}.", "{name}..", "{name}.com.", "www.{name}.com", "{name}.{name}.com",
        "{name}.example.com:80", "*.example.com", "{name}.exa mple.com", "{name}-x", "http://{name}.a.b", "{name}/.a.b",
        "{name}." + String(repeating: "a", count: 250),
    ])
    func `a pattern that would take other hosts, or none, is refused`(pattern: String) {
        #expect(throws: RouterError.self) { try FunctionHost(pattern) }
    }
}
