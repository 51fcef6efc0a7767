import Foundation
import Glibc
import OCI
import Support
import Testing

/// What is too large for memory, on disk for a moment.
@Suite struct SpoolTests {
    private func append(_ text: String, to writer: inout SpoolWriter) throws {
        try Array(text.utf8).withUnsafeBytes { try writer.append($0) }
    }

    private func text(_ content: BlobContent) throws -> String { String(decoding: try content.bytes(), as: UTF8.self) }

    @Test func `what fits into memory stays there, and parts of one file are told apart`() async throws {
        try await withTemporaryDirectory { directory in
            let spool = try SpoolDirectory(directory + "/spool")
            var writer = SpoolWriter(spool, memory: 10)
            var parts: [BlobContent] = []
            for text in ["12345", "abc", "beyond it", "", "de", "again beyond"] {
                for piece in text.split(separator: " ", omittingEmptySubsequences: false) {
                    try append(String(piece), to: &writer)
                }
                parts.append(writer.take())
            }
            #expect(try parts.map(text) == ["12345", "abc", "beyondit", "", "de", "againbeyond"])
            #expect(
                parts.map { if case .bytes = $0 { true } else { false } } == [true, true, false, true, true, false])
            #expect(try parts.map { try $0.size } == [5, 3, 8, 0, 2, 11])
            #expect(try String(decoding: parts[5].part(2..<5), as: UTF8.self) == "ain")
            // Its neighbour in the file is no part of it.
            #expect(throws: OCIError.self) { try parts[2].part(0..<9) }
            #expect(parts[2] == parts[2] && parts[2] != parts[5])
            var shown = ""
            try parts[2].forEachBlock { shown += String(decoding: $0, as: UTF8.self) }
            #expect(shown == "beyondit")
        }
    }

    @Test func `without a directory everything stays in memory`() throws {
        var writer = SpoolWriter(nil, memory: 0)
        try append("some", to: &writer)
        #expect(writer.take() == .bytes(Array("some".utf8)))
    }

    @Test func `nothing has a name in the directory, and what a killed process left goes at the next start`()
        async throws
    {
        try await withTemporaryDirectory { directory in
            let path = directory + "/spool"
            let spool = try SpoolDirectory(path)
            var writer = SpoolWriter(spool, memory: 0)
            try append("here", to: &writer)
            #expect(try FileManager.default.contentsOfDirectory(atPath: path).isEmpty)
            try Data("left".utf8).write(to: URL(filePath: path + "/123-456"))
            let next = try SpoolDirectory(path)
            #expect(try FileManager.default.contentsOfDirectory(atPath: next.path).isEmpty)
            // The process that goes on meanwhile is not disturbed.
            try append(" and there", to: &writer)
            #expect(try text(writer.take()) == "here and there")
        }
    }

    @Test(.enabled(if: getuid() == 0)) func `a full disk is told as such`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/small"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            let mounted = try await command("mount", ["-t", "tmpfs", "-o", "size=1m", "none", path])
            try #require(mounted.succeeded)
            let piece = [UInt8](repeating: 1, count: 256 << 10)
            let error = #expect(throws: OCIError.self) {
                var writer = SpoolWriter(try SpoolDirectory(path), memory: 0)
                for _ in 0..<8 { try piece.withUnsafeBytes { try writer.append($0) } }
            }
            #expect(error?.code == .diskFull)
            #expect(error?.message.contains("No space left on device") == true)
            _ = try await command("umount", [path])
        }
    }
}
