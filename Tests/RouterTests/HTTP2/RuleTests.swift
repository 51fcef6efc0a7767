import Foundation
import Testing

@testable import Router

/// HTTP/2's own rules, section by section of RFC 9113 and RFC 7541: the cases are in `Tests/Attacks/http2_rules.py`.
@Suite struct RuleTests {
    private static let cases =
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path + "/Attacks/http2_rules.py"

    @Test func `what a client does wrong has the end that the standard says, and what it may do has an answer`()
        async throws
    {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let script = try String(contentsOfFile: Self.cases, encoding: .utf8)
            let told = try await FrameClient.run("PORT = \(router.port)\n" + script, router)
            #expect(told.contains(/^\d\d+ cases, 0 wrong$/), "\(told)")
            // Others notice nothing, and nothing is left.
            try await router.expect("kiln_router_connections", nil, 0)
            try await router.expect("kiln_requests_in_flight", nil, 0)
        }
    }
}
