import FoundationEssentials

/// What spares the starts of a function the compiling of its own module: databases of Deno's, as the checker makes them of a large one
/// (`base-image/own-code.js`). What comes in is not to be trusted, as the JavaScript that it comes with.
package struct CodeCaches: Sendable, Hashable {
    /// Bytes of JavaScript from which it pays: compiling less takes a start under 10 ms (`docs/performance.md`), and the databases add
    /// half a megabyte to the image.
    package static let worthwhile = 64 << 10
    /// Bytes of JavaScript beyond which nothing is compiled ahead.
    package static let most = 16 << 20

    private static let databases = ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"]

    /// The files, by their names in Deno's directory; none for a function whose starts compile what it is.
    package private(set) var files: [String: [UInt8]] = [:]

    /// No caches.
    package static let none = CodeCaches()

    private init() {}

    /// The caches in a checker's answer. Throws ``BuilderError`` `checkerAnswer` for what no checker sends.
    package init(_ answer: [UInt8]) throws(BuilderError) {
        struct Frame: Decodable {
            var cache: String?
            var size: Int?
            var end: Bool?
        }
        var reader = FrameReader()
        reader.append(answer)
        while let json = try reader.frame() {
            guard let frame = try? JSONDecoder().decode(Frame.self, from: Data(json)) else { break }
            if frame.end == true { return }
            guard let name = frame.cache, let size = frame.size, size >= 0, let bytes = reader.content(size),
                Self.isExpected(name, bytes)
            else { break }
            files[name] = bytes
        }
        throw BuilderError(.checkerAnswer, "The checker's answer about compiled code means nothing.")
    }

    /// Whether it is a database, or one of the files beside them: empty, or Deno could not read what it cannot write.
    private static func isExpected(_ name: String, _ bytes: [UInt8]) -> Bool {
        databases.contains(name) || bytes.isEmpty && databases.contains { name == $0 + "-wal" || name == $0 + "-shm" }
    }
}
