import Foundation
import Testing

/// Which target may import which: the picture in docs/architecture.md, enforced.
@Suite struct ArchitectureTests {
    private static let allowed: [String: Set<String>] = [
        "Contract": [], "Transfer": ["CCurl"], "OCI": ["Contract", "Transfer", "CArchive", "CZlib"],
        "Service": ["Contract"], "Telemetry": [], "OTLP": ["Telemetry", "Transfer"],
        "Kubernetes": ["Contract", "Transfer", "Service"],
        "Builder": ["Contract", "OCI", "Transfer", "Service", "Telemetry"],
        "Deployer": ["Contract", "OCI", "Transfer", "Service", "Telemetry", "Kubernetes", "CLinux"],
        "Router": ["Contract", "Telemetry", "CLinux"],
        "Client": ["Contract", "Transfer", "OCI", "CLinux"],
    ]
    private static let own: Set<String> = Set(allowed.keys).union(["CCurl", "CArchive", "CZlib", "CLinux", "kiln"])
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test(arguments: allowed.keys.sorted())
    func `a target imports only what the architecture allows`(target: String) throws {
        let allowed = try #require(Self.allowed[target])
        let folder = Self.root.appending(path: "Sources/\(target)")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        var seen = 0
        for case let file as URL in files where file.pathExtension == "swift" {
            seen += 1
            for module in Self.imports(try String(contentsOf: file, encoding: .utf8)).intersection(Self.own) {
                #expect(allowed.contains(module), "\(file.lastPathComponent) imports \(module)")
            }
        }
        #expect(seen > 0)
    }

    @Test func `Package.swift declares no edge that the architecture forbids`() throws {
        let manifest = try String(contentsOf: Self.root.appending(path: "Package.swift"), encoding: .utf8)
        for (target, allowed) in Self.allowed {
            let start = try #require(
                manifest.range(of: ".target(\n            name: \"\(target)\"")
                    ?? manifest.range(of: ".target(name: \"\(target)\""))
            let end = try #require(manifest.range(of: "swiftSettings", range: start.upperBound..<manifest.endIndex))
            let declaration = manifest[start.upperBound..<end.lowerBound]
            for module in Self.own where declaration.contains("\"\(module)\"") {
                #expect(allowed.contains(module), "\(target) depends on \(module)")
            }
        }
    }

    private static func imports(_ text: String) -> Set<String> {
        Set(
            text.split(whereSeparator: \.isNewline).compactMap { line in
                let words = line.split(separator: " ")
                guard let index = words.firstIndex(of: "import"), index <= 2, words.count > index + 1 else {
                    return nil
                }
                return String(words[index + 1])
            })
    }
}
