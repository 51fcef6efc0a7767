import Testing

@testable import Router

@Suite struct RequestTargetTests {
    /// A target's meaning in words: `function NAME REVISION PREFIX REST`, or the destination, or the reason it is
    /// refused for.
    private func meaning(_ text: String) -> String {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes { bytes in
            func part(_ range: Range<Int>) -> String { String(decoding: bytes.part(range), as: UTF8.self) }
            do throws(Reason) {
                let target = try RequestTarget.parse(bytes, 0..<bytes.count)
                let authority = target.authority.map { " of \(part($0))" } ?? ""
                switch target.destination {
                case .function(let name, let revision, let prefix):
                    let rest = part(target.forwarded)
                    return "\(name) \(revision.map(String.init) ?? "-") \(part(prefix)) [\(rest)]\(authority)"
                case .functions: return "functions [\(part(target.forwarded))]\(authority)"
                case .collection: return "collection [\(part(target.forwarded))]\(authority)"
                case .functionVerification: return "verification [\(part(target.forwarded))]\(authority)"
                case .functionRebake: return "rebake [\(part(target.forwarded))]\(authority)"
                case .base: return "base [\(part(target.forwarded))]\(authority)"
                case .functionRecord: return "record [\(part(target.forwarded))]\(authority)"
                case .health: return "health"
                case .ready: return "ready"
                case .metrics: return "metrics"
                case .description: return "description"
                case .nothing: return "nothing"
                }
            } catch {
                return error.rawValue
            }
        }
    }

    @Test(arguments: [
        ("/fn/x", "x - /fn/x []"), ("/fn/x/", "x - /fn/x [/]"), ("/fn/x?q=1", "x - /fn/x [?q=1]"),
        ("/fn/x/?q=1", "x - /fn/x [/?q=1]"), ("/fn/x/a%2Fb//c;d", "x - /fn/x [/a%2Fb//c;d]"),
        ("/fn/x/%zz%", "x - /fn/x [/%zz%]"), ("/fn/x/\u{e4}", "x - /fn/x [/\u{e4}]"), ("/fn/xy", "xy - /fn/xy []"),
        ("/fn/x-1/y", "x-1 - /fn/x-1 [/y]"), ("/fn/x@3", "x 3 /fn/x@3 []"), ("/fn/x@3/y?z", "x 3 /fn/x@3 [/y?z]"),
        ("/fn/x@3?z", "x 3 /fn/x@3 [?z]"), ("/fn/x/fn/y", "x - /fn/x [/fn/y]"),
        ("/fn/x/internal", "x - /fn/x [/internal]"),
        ("/fn/x/.../y", "x - /fn/x [/.../y]"), ("/fn/x/a..b/..c/d..", "x - /fn/x [/a..b/..c/d..]"),
        ("/fn/x/./y", "x - /fn/x [/./y]"), ("/fn/x/%252e%252e/", "x - /fn/x [/%252e%252e/]"),
        ("/fn/x/?a=/../b", "x - /fn/x [/?a=/../b]"),
        ("http://h/fn/x", "x - /fn/x [] of h"), ("HTTP://h:80/fn/x?q", "x - /fn/x [?q] of h:80"),
        ("https://[::1]:8/fn/x/", "x - /fn/x [/] of [::1]:8"),
        ("/func", "functions [/func]"), ("/func?name=x", "functions [/func?name=x]"),
        ("/func/", "record [/func/]"), ("/func/x/rollback?to=1", "record [/func/x/rollback?to=1]"),
        ("/func/x/verify?revision=1", "verification [/func/x/verify?revision=1]"),
        ("/func/x/verifyx", "record [/func/x/verifyx]"),
        ("http://h/func", "functions [/func] of h"), ("/healthz", "health"), ("/healthz?x", "health"),
        ("/readyz", "ready"), ("/metrics", "metrics"), ("/metrics?x", "metrics"), ("/openapi.json", "description"),
        ("/func/x/rebake?check=false", "rebake [/func/x/rebake?check=false]"),
        ("/func/rebake", "rebake [/func/rebake]"),
        ("/func/x/rebake/", "record [/func/x/rebake/]"), ("/base", "base [/base]"), ("/base?a", "base [/base?a]"),
        ("/gc", "collection [/gc]"), ("/gc?dry-run=true", "collection [/gc?dry-run=true]"),
    ])
    func `a target leads where it says, the rest untouched`(target: String, meaning: String) {
        #expect(self.meaning(target) == meaning)
    }

    @Test(arguments: [
        "/", "/fn", "/fn/", "/fn//x", "//fn/x", "/FN/x", "/fn/X", "/fn/x_y", "/fn/x%79", "/fn/x@", "/fn/x@0",
        "/fn/x@01",
        "/fn/x@a", "/fn/x@1a", "/fn/x@-1", "/fn/x@99999999999", "/fn/@3", "/fn/x;y", "/functions", "/func%2Fx", "/Func",
        "/internal/routes", "/internal/functions/x/tickets", "/metrics/", "/gc/", "/base/", "/basex", "/gcx",
        "/healthz/", "/healthzz",
        "/readyz/x", "*",
        "http://h", "http://h?q", "http://h/", "/fn/\(String(repeating: "a", count: 41))", "/func.x", "/%66n/x",
    ])
    func `everything else leads nowhere`(target: String) { #expect(meaning(target) == "nothing") }

    @Test(arguments: [
        "/fn/x/../y", "/fn/x/..", "/fn/../func", "/..", "/fn/x/%2e%2e/y", "/fn/x/%2E%2e", "/fn/x/.%2e/y",
        "/fn/x/%2e./y",
        "/fn/x/..%2fy", "/fn/x%2f..%2fy", "/fn/x/..%5cy", "/fn/x/..\\y", "/fn/x\\..\\y", "/fn/x/..;a=b/y", "/fn/x/..;",
        "/func/../internal/routes", "/../internal", "http://h/fn/x/../y", "/fn/x/%2e%2e;/y",
        "ftp://h/fn/x", "fn/x", "h:80", "x", "://h/",
    ])
    func `a way up, however it is spelled, is refused`(target: String) { #expect(meaning(target) == "bad-target") }

    @Test(arguments: ["http:///fn/x", "http://u@h/fn/x", "http://h:x/fn/x", "http://h,i/fn/x", "http://[::1/fn/x"])
    func `an authority that is none is refused`(target: String) { #expect(meaning(target) == "bad-host") }
}

@Suite struct HostNameTests {
    private func with<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let bytes = Array(text.utf8)
        return bytes.withUnsafeBytes(body)
    }

    @Test(arguments: [
        ("a", "a"), ("a.b-c_d~e:80", "a.b-c_d~e"), ("1.2.3.4:", "1.2.3.4"), ("[::1]:8080", "::1"),
        ("[fe80::1]", "fe80::1"),
        ("A%20b!$&'()*+;=", "A%20b!$&'()*+;="),
    ])
    func `a host is split from its port`(value: String, host: String) {
        #expect(with(value) { HostName.split($0).map { String(decoding: $0, as: UTF8.self) } } == host)
    }

    @Test(arguments: [
        "", ":80", "a b", "a,b", "a/b", "a?b", "a#b", "u@a", "a:b", "a:1:2", "a:123456", "[", "[]", "[::1", "[::1]x",
        "[g]",
        "a\\b", "\u{e4}", "a<b", "a\"b", "::1",
    ])
    func `what is no host is refused`(value: String) { #expect(with(value) { !HostName.isWellFormed($0) }) }

    @Test(arguments: [
        ("localhost", true), ("LOCALHOST", true), ("localhost.", true), ("a.localhost", true), ("127.0.0.1", true),
        ("127.1.2.3", true), ("::1", true), ("localhost.evil.example", false), ("127.0.0.1.evil.example", false),
        ("127.0.0", false), ("127.0.0.", false), ("127.0.0.256", false), ("127..0.1", false), ("1270.0.0.1", false),
        ("evil", false), ("xlocalhost", false), ("0.0.0.0", false), ("128.0.0.1", false), ("::2", false),
        ("127.0.0.1.", false),
    ])
    func `only this machine is loopback`(host: String, expected: Bool) {
        #expect(with(host) { HostName.isLoopback($0) } == expected)
    }
}
