import Contract
import Foundation
import OCI
import Support
import Testing
import Transfer

@Suite(.serialized) struct ChunkedUploadTests {
    /// 5 MiB that no two places of are alike.
    private static let bytes = (0..<(5 << 20) / 8).flatMap { number in
        withUnsafeBytes(of: (UInt64(number) &* 0x9E37_79B9_7F4A_7C15).littleEndian) { Array($0) }
    }

    @Test(arguments: [("small", 5), ("small-dropping", 6), ("small-late", 5), ("least", 2)])
    func `a blob that is too large for one request goes in parts`(quirk: String, parts: Int) async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry()
            let descriptor = Descriptor(describing: Self.bytes, as: .layerTar)
            try await registry.push(.bytes(Self.bytes), descriptor, to: quirk + "/x")
            #expect(try await registry.blob(quirk + "/x", descriptor, limit: 8 << 20) == Self.bytes)
            #expect(try await awkward.openSessions() == "0", "no session is left behind")
            // A part that is refused as too large is none; the size that fits is found by halving, and then known.
            let first = try #require(Int(try await awkward.note("parts")))
            #expect(first >= parts)
            let other = Array(Self.bytes.reversed())
            try await registry.push(.bytes(other), Descriptor(describing: other, as: .layerTar), to: quirk + "/x")
            #expect(try await awkward.openSessions() == "0")
            if quirk == "small" { #expect(try await awkward.note("parts") == "\(2 * first)") }
        }
    }

    @Test func `parts are read from a file`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/blob"
            try Data(Self.bytes).write(to: URL(filePath: path))
            try await withAwkwardRegistry { awkward in
                let registry = awkward.registry()
                let descriptor = Descriptor(describing: Self.bytes, as: .layerTar)
                try await registry.push(.file(path), descriptor, to: "small/x")
                #expect(try await registry.blob("small/x", descriptor, limit: 8 << 20) == Self.bytes)
                // A file that has become shorter is no blob any more.
                try Data(Self.bytes.prefix(3 << 20)).write(to: URL(filePath: path))
                let error = await #expect(throws: OCIError.self) {
                    try await registry.push(.file(path), descriptor, to: "small/y")
                }
                #expect(error?.code == .mismatch)
                #expect(try await awkward.openSessions() == "0")
            }
        }
    }
}
