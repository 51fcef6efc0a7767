import Contract
import FoundationEssentials
import OCI
import Support
import Testing

@Suite struct BlobCacheTests {
    @Test func `what goes in comes out under its digest, once`() async throws {
        try await withTemporaryDirectory { directory in
            let cache = try BlobCache(directory: directory)
            let bytes = Array("hello\n".utf8)
            let digest = try cache.insert(bytes)
            #expect(digest.hex == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")
            #expect(try cache.insert(bytes) == digest)
            #expect(cache.contains(digest))
            #expect(try cache.read(digest, limit: 6) == bytes)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/partial").isEmpty)
            try cache.remove(digest)
            try cache.remove(digest)
            #expect(!cache.contains(digest))
        }
    }

    @Test func `a damaged, a missing and a large blob are told apart`() async throws {
        try await withTemporaryDirectory { directory in
            let cache = try BlobCache(directory: directory)
            let digest = try cache.insert([1, 2, 3])
            #expect(#expect(throws: OCIError.self) { try cache.read(digest, limit: 2) }?.code == .tooLarge)
            try Data([1, 2, 4]).write(to: URL(filePath: cache.path(of: digest)))
            #expect(#expect(throws: OCIError.self) { try cache.read(digest, limit: 9) }?.code == .mismatch)
            try cache.remove(digest)
            #expect(#expect(throws: OCIError.self) { try cache.read(digest, limit: 9) }?.code == .notFound)
        }
    }
}
