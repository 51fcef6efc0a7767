import Foundation
import Support
import Testing

/// The fuzzer's properties, on its seeds and on what it has found: `make fuzz` looks for more.
@Suite struct PropertyTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    @Test func `what must hold for any bytes holds for the fuzzer's seeds`() async throws {
        try await withTemporaryDirectory { directory in
            let made = try await command("python3", [Self.root + "/Attacks/seeds.py", directory])
            try #require(made.succeeded, "\(made.errors)")
            let names = try FileManager.default.contentsOfDirectory(atPath: directory)
            #expect(names.count > 1_000)
            for name in names {
                let seed = try Array(Data(contentsOf: URL(filePath: "\(directory)/\(name)")))
                do { try CodecProperty.check(seed) } catch { Issue.record("\(error): \(seed)") }
            }
        }
    }
}
