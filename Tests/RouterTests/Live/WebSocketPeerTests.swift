import Contract
import Foundation
import Support
import Testing

@testable import Router

/// WebSockets between a client and a server that others wrote, the Python package `websockets`: what they send each other is in
/// `Tests/Support/websocket_peers.py`.
@Suite(.serialized) struct WebSocketPeerTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    @Test func `messages, fragments, pings, closes and compression arrive as they were sent`() async throws {
        try await withRouter { router in try await converse(router) }
    }

    @Test func `messages, fragments, pings, closes and compression arrive as they were sent, over TLS`() async throws {
        try await withTLSRouter { router, certificate in try await converse(router, [certificate.files.certificate]) }
    }

    private func converse(_ router: TestRouter, _ certificate: [String] = []) async throws {
        let upstream = try freePort()
        let endpoint = Endpoint(id: "a", address: .tcp(host: "127.0.0.1", port: upstream))
        try router.route(endpoints: ["f": [endpoint]], timeout: .seconds(30))
        let told = try await command(
            "timeout",
            ["120", "python3", "-B", Self.root + "/Tests/Support/websocket_peers.py", "\(router.port)", "\(upstream)"]
                + certificate, environment: ["PYTHONPATH": Self.root + "/.tools/websockets"])
        #expect(told.output.contains(/(^|\n)\d\d+ checks, 0 wrong\n$/), "\(told.output)\(told.errors)")
        try await router.expect("kiln_router_connections", nil, 0)
        try await router.expect("kiln_requests_in_flight", nil, 0)
    }
}
