import Contract
import Crypto
import Foundation
import Glibc
import Support
import Testing

@testable import OCI

/// Large layers, which are compressed in pieces on several threads.
@Suite struct BlockDeflaterTests {
    /// Text that compresses, noise that does not, and zeros.
    private static func mixed(_ size: Int) -> [UInt8] {
        var state: UInt64 = 1
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            for index in 0..<size {
                switch index >> 18 & 3 {
                case 0, 1: buffer[index] = UInt8(truncatingIfNeeded: (index &* index) >> 9 & 63 + 32)
                case 2:
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    buffer[index] = UInt8(truncatingIfNeeded: state >> 33)
                default: buffer[index] = 0
                }
            }
            count = size
        }
    }

    /// What `content` becomes on `workers` threads, written in pieces of `step` bytes.
    private static func compressed(_ content: [UInt8], workers: Int, step: Int = 100_000) throws -> [UInt8] {
        var made: [UInt8] = []
        var deflater = BlockDeflater(level: 6, workers: workers)
        try content.withRawBytes { (bytes) throws(OCIError) in
            for start in stride(from: 0, to: bytes.count, by: step) {
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + step, bytes.count)])
                try deflater.write(piece) { made.append(contentsOf: $0) }
            }
        }
        try deflater.finish { made.append(contentsOf: $0) }
        return made
    }

    /// The SHA-256 of the gzip of `mixed(5_000_000)` at level 6 by zlib 1.2.13; read back with gzip and Python's zlib.
    private static let golden = "c3bd658f01de105051fa5483a973cc50f6d8a50d7176669746844676e3ffa27b"

    @Test func `the bytes are the same on any number of threads, and however they come`() throws {
        let content = Self.mixed(5_000_000)
        let one = try Self.compressed(content, workers: 1)
        #expect(Digest(bytes: SHA256.hash(data: one)).hex == Self.golden)
        for (workers, step) in [(2, 100_000), (4, 100_000), (4, 5_000_000), (64, 4_096), (3, 262_144)] {
            #expect(try Self.compressed(content, workers: workers, step: step) == one, "\(workers) \(step)")
        }
    }

    @Test(arguments: [0, 1, 100, 262_143, 262_144, 262_145, 524_288, 3_000_000])
    func `others read it as one member, whole and valid`(size: Int) async throws {
        let content = Self.mixed(size)
        let gzip = try Self.compressed(content, workers: 4)
        #expect(Array(gzip.prefix(10)) == [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
        let tested = try await command("gzip", ["-t", "-"], input: gzip)
        #expect(tested.succeeded && tested.errors.isEmpty)
        let python = try await command(
            "python3",
            [
                "-c",
                "import sys,zlib,hashlib\nd=zlib.decompressobj(31)\ns=d.decompress(sys.stdin.buffer.read())+d.flush()\nprint(d.eof, len(d.unused_data), hashlib.sha256(s).hexdigest())",
            ], input: gzip)
        #expect(python.output == "True 0 \(Digest(bytes: SHA256.hash(data: content)).hex)\n")
    }

    @Test func `the pieces cost little beside one stream`() throws {
        let content = Self.mixed(5_000_000)
        let pieces = try Self.compressed(content, workers: 2).count
        let whole = try Layer([.file("f", content)], framing: .whole).descriptor.size
        #expect(Double(pieces) < Double(whole) * 1.01)
    }

    @Test func `a writer that is given up leaves nothing running that fails`() throws {
        let error = #expect(throws: OCIError.self) {
            var deflater = BlockDeflater(level: 6, workers: 4)
            var taken = 0
            try Self.mixed(6_000_000).withRawBytes { (bytes) throws(OCIError) in
                try deflater.write(bytes) { (piece) throws(OCIError) in
                    taken += piece.count
                    if taken > 100_000 { throw OCIError(.diskFull, "full") }
                }
            }
        }
        #expect(error?.code == .diskFull)
    }

    @Test(.timeLimit(.minutes(1))) func `more layers at a time than there are threads all come to an end`() async throws
    {
        let entries = [LayerEntry.file("f", Self.mixed(Layer.small))]
        let digests = try await withThrowingTaskGroup(of: Contract.Digest.self) { group in
            for _ in 0..<48 { group.addTask { try await Layer.make(entries, spool: nil).descriptor.digest } }
            return try await group.reduce(into: Set<Contract.Digest>()) { $0.insert($1) }
        }
        #expect(digests.count == 1)
    }

    @Test func `a large layer is another gzip of the same tar, and a small one the same gzip as ever`() throws {
        let large = [LayerEntry.file("f", Self.mixed(Layer.small))]
        let (pieces, whole) = (try Layer(large), try Layer(large, framing: .whole))
        #expect(pieces.diffID == whole.diffID)
        #expect(pieces.descriptor.digest != whole.descriptor.digest)
        let small = [LayerEntry.file("f", Self.mixed(Layer.small - 1))]
        #expect(try Layer(small) == Layer(small, framing: .whole))
    }

    @Test func `a layer in a spool is the same as one in memory`() async throws {
        try await withTemporaryDirectory { directory in
            let spool = try SpoolDirectory(directory + "/spool")
            let entries = [LayerEntry.file("f", Self.mixed(6_000_000))]
            let (inMemory, spooled) = (try Layer(entries), try await Layer.make(entries, spool: spool))
            #expect(spooled.descriptor == inMemory.descriptor)
            #expect(spooled.diffID == inMemory.diffID)
            guard case .spooled = spooled.content else { Issue.record("not in a file"); return }
            #expect(try spooled.content.bytes() == inMemory.content.bytes())
            // It has no name, so that nobody has to remove it.
            #expect(try FileManager.default.contentsOfDirectory(atPath: spool.path).isEmpty)
        }
    }
}
