import Testing
import Transfer

@testable import OCI

@Suite struct ChallengeTests {
    @Test(
        arguments: [
            (
                [#"Bearer realm="https://a/t",service="s",scope="r:x:pull,push r:y:pull""#],
                [
                    Challenge(
                        scheme: "bearer",
                        parameters: ["realm": "https://a/t", "service": "s", "scope": "r:x:pull,push r:y:pull"])
                ]
            ),
            (
                ["Bearer realm=https://a/t,service=s"],
                [Challenge(scheme: "bearer", parameters: ["realm": "https://a/t", "service": "s"])]
            ),
            (
                [#"Basic realm="a \"b\" , c", Bearer Realm = "x""#],
                [
                    Challenge(scheme: "basic", parameters: ["realm": #"a "b" , c"#]),
                    Challenge(scheme: "bearer", parameters: ["realm": "x"]),
                ]
            ),
            (
                ["Basic", "Digest a=b"],
                [Challenge(scheme: "basic"), Challenge(scheme: "digest", parameters: ["a": "b"])]
            ),
            (["", ",,", "=", "\""], []),
            ([#"Bearer realm="open"#], [Challenge(scheme: "bearer", parameters: ["realm": "open"])]),
        ] as [([String], [Challenge])])
    func `challenges are read as registries write them`(values: [String], challenges: [Challenge]) {
        #expect(Challenge.parse(values) == challenges)
    }

    private static let publicAddresses: [PeerAddress] = [
        .ipv4([8, 8, 8, 8]), .ipv4([203, 0, 114, 1]), .ipv6([0x26, 0x06] + [UInt8](repeating: 0, count: 14)),
    ]

    private static let otherAddresses: [PeerAddress] = [
        .ipv4([10, 0, 0, 1]), .ipv4([169, 254, 169, 254]), .ipv4([127, 0, 0, 1]), .ipv4([100, 64, 0, 1]),
        .ipv4([192, 168, 1, 1]), .ipv4([0, 0, 0, 0]), .ipv6([UInt8](repeating: 0, count: 15) + [1]),
        .ipv6([0xFE, 0x80] + [UInt8](repeating: 0, count: 14)), .ipv6([0xFD] + [UInt8](repeating: 0, count: 15)),
        .ipv6([0x20, 0x02, 10, 0, 0, 1] + [UInt8](repeating: 0, count: 10)),
        .ipv6([0x00, 0x64, 0xFF, 0x9B] + [UInt8](repeating: 0, count: 12)),
    ]

    @Test func `only addresses of the internet are public`() {
        #expect(Self.publicAddresses.filter { !$0.isPublic }.isEmpty)
        #expect(Self.otherAddresses.filter(\.isPublic).isEmpty)
    }

    @Test(
        arguments: [
            ([#"</v2/x/tags/list?n=2&last=b>; rel="next""#], "/v2/x/tags/list?n=2&last=b"),
            (["<a>; rel=prev, <b>; rel=next"], "b"),
            (["<a>; rel=\"prev\""], nil), ([], nil), (["junk"], nil), (["<a"], nil),
        ] as [([String], String?)])
    func `the next page is the link of that relation`(links: [String], next: String?) {
        #expect(Registry.nextPage(links) == next)
    }
}
