import Contract
import Foundation
import Support
import Testing

@testable import Router

private let programs = ["/usr/sbin/nginx", "/usr/sbin/haproxy"]

/// The Router, nginx and HAProxy on the same requests: what is taken, and what an upstream receives of it. The cases, and what is otherwise on
/// purpose, are in `Tests/Attacks/differential.py`.
@Suite(.enabled(if: programs.allSatisfy(FileManager.default.isExecutableFile))) struct DifferentialTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    @Test func `the Router takes nothing that nginx or HAProxy refuses, and passes on what they pass on`() async throws
    {
        let upstream = try freePort()
        try await withRouter { router in
            let endpoint = Endpoint(id: "echo", address: .tcp(host: "127.0.0.1", port: upstream))
            try router.route(endpoints: ["f": [endpoint]])
            let result = try await command(
                "python3",
                [
                    "-B", Self.root + "/Attacks/differential.py", "\(router.port)", "\(upstream)",
                    isLong ? "\(Int.max)" : "1000",
                ])
            #expect(result.succeeded, "\(result.output)\(result.errors)")
            print(result.output)
        }
    }
}
