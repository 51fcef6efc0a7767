import Foundation
import Testing

/// A user who is refused finds the refusal in the documentation.
@Suite struct TroubleshootingTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test func `every kind of problem is in the troubleshooting guide`() throws {
        let guide = try String(contentsOf: Self.root.appending(path: "docs/troubleshooting.md"), encoding: .utf8)
        let kinds = try Self.kinds()
        #expect(kinds.count > 40)
        for kind in kinds.sorted() { #expect(guide.contains("`\(kind)`"), "urn:kiln:\(kind) is not in the guide") }
    }

    private static func kinds() throws -> Set<String> {
        var kinds: Set<String> = []
        let sources = root.appending(path: "Sources")
        for path in try FileManager.default.subpathsOfDirectory(atPath: sources.path) where path.hasSuffix(".swift") {
            let text = try String(contentsOf: sources.appending(path: path), encoding: .utf8)
            kinds.formUnion(text.matches(of: /(?:Problem|self\.init)\(\s*"([a-z-]+)", [0-9]{3}/).map { String($0.1) })
            guard path.hasSuffix("Router/Policy/Reason.swift") else { continue }
            kinds.formUnion(text.matches(of: /case [a-zA-Z]+ = "([a-z-]+)"/).map { String($0.1) })
        }
        return kinds
    }
}
