import Foundation
import Testing

@testable import Builder

/// What a checker answers about compiled code is taken as hostile.
@Suite struct CodeCachesTests {
    private static func frame(_ json: String, _ content: [UInt8] = []) -> [UInt8] {
        withUnsafeBytes(of: UInt32(json.utf8.count).bigEndian) { Array($0) } + Array(json.utf8) + content
    }

    private static let end = frame(#"{"end":true}"#)

    @Test func `databases and the empty files beside them are taken`() throws {
        let answer =
            Self.frame(#"{"cache":"v8_code_cache_v2","size":3}"#, [1, 2, 3])
            + Self.frame(#"{"cache":"v8_code_cache_v2-wal","size":0}"#) + Self.end
        #expect(try CodeCaches(answer).files == ["v8_code_cache_v2": [1, 2, 3], "v8_code_cache_v2-wal": []])
        #expect(try CodeCaches(Self.end) == .none)
    }

    @Test(arguments: [
        [], frame(#"{"cache":"v8_code_cache_v2","size":3}"#, [1, 2, 3]),
        frame(#"{"cache":"v8_code_cache_v2","size":4}"#, [1, 2, 3]) + end,
        frame(#"{"cache":"v8_code_cache_v2","size":-1}"#) + end,
        frame(#"{"cache":"v8_code_cache_v2-shm","size":1}"#, [0]) + end,
        frame(#"{"cache":"../app/main.js","size":1}"#, [0]) + end,
        frame(#"{"cache":"npm/x","size":0}"#) + end, frame("[]") + end, frame("{") + end, [255, 255, 255, 255],
    ])
    func `anything else is refused`(answer: [UInt8]) {
        #expect(throws: BuilderError.self) { try CodeCaches(answer) }
    }
}
