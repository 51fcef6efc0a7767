import Builder
import Contract
import Testing
import Transfer

/// Where imports may come from.
struct DialPolicyTests {
    static let addresses: [(PeerAddress, Bool)] = [
        (.ipv4([93, 184, 216, 34]), true), (.ipv4([1, 1, 1, 1]), true), (.ipv4([127, 0, 0, 1]), false),
        (.ipv4([127, 255, 255, 254]), false), (.ipv4([0, 0, 0, 0]), false), (.ipv4([10, 1, 2, 3]), false),
        (.ipv4([172, 16, 0, 1]), false), (.ipv4([172, 32, 0, 1]), true), (.ipv4([192, 168, 1, 1]), false),
        (.ipv4([169, 254, 169, 254]), false), (.ipv4([100, 64, 0, 1]), false), (.ipv4([224, 0, 0, 1]), false),
        (.ipv4([255, 255, 255, 255]), false), (.ipv4([198, 18, 0, 1]), false),
        (v6(0x2606, 0x4700), true), (v6(0x2a00, 0x1450), true), (v6(0, 0, last: 1), false), (v6(0, 0), false),
        (v6(0xfe80), false), (v6(0xfc00), false), (v6(0xfd12), false), (v6(0xff02), false),
        (v6(0x2001, 0x0db8), false), (v6(0x2001, 0), false), (v6(0x2001, 0x4860), true), (v6(0x2002, 0x7f00), false),
        (v6(0x3fff), false), (v6(0x64, 0xff9b, last: 0x7f00_0001), false), (v6(0x64, 0xff9b, last: 0x0808_0808), true),
    ]

    private static func v6(_ first: UInt16, _ second: UInt16 = 0, last: UInt32 = 0) -> PeerAddress {
        let head = [first, second].flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
        let tail = (0..<4).map { UInt8(last >> (24 - 8 * $0) & 255) }
        return .ipv6(head + [UInt8](repeating: 0, count: 8) + tail)
    }

    @Test(arguments: addresses) func `an address is public or not`(_ address: PeerAddress, _ isPublic: Bool) {
        #expect(DialPolicy().isPublic(address) == isPublic)
    }

    @Test func `a host that is named may have any address, one that is denied none`() {
        let policy = DialPolicy(
            allowed: [HostRule(host: "mirror", port: 4873)], denied: [HostRule(host: "bad.example", port: nil)])
        #expect(policy.verdict("mirror", 4873) == .anywhere)
        #expect(policy.verdict("MIRROR.", 4873) == .anywhere)
        #expect(policy.verdict("mirror", 80) == .publicOnly)
        #expect(policy.verdict("good.example", 443) == .publicOnly)
        if case .refused = policy.verdict("Bad.Example", 443) {} else { Issue.record("a denied host was not refused") }
        #expect(!policy.permits(.ipv4([10, 0, 0, 1]), .publicOnly))
        #expect(policy.permits(.ipv4([10, 0, 0, 1]), .anywhere))
    }

    @Test func `everything but what is allowed can be denied, and a name denies before it allows`() {
        let policy = DialPolicy(
            allowed: [HostRule(host: "jsr.io", port: 443), HostRule(host: "both", port: nil)],
            denied: [.all, HostRule(host: "both", port: nil)])
        #expect(policy.verdict("jsr.io", 443) == .anywhere)
        for host in ["esm.sh", "both"] {
            if case .refused = policy.verdict(host, 443) { continue }
            Issue.record("\(host) was not refused")
        }
    }

    static let rules: [(String, String?)] = [
        ("example.com", "example.com"), ("Example.COM:8080", "example.com:8080"), ("10.0.0.1", "10.0.0.1"),
        ("[::1]", "[::1]"), ("[::1]:80", "[::1]:80"), ("*", "*"), ("", nil), (":80", nil), ("a:0", nil),
        ("a:99999", nil),
        ("a b", nil), ("http://a", nil), ("a/b", nil), ("*.example.com", nil), ("::1", nil),
    ]

    @Test(arguments: rules) func `a host is named with or without a port`(_ text: String, _ expected: String?) {
        #expect(HostRule(text)?.description == expected)
    }
}
