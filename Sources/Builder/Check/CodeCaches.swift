import FoundationEssentials

/// What spares the starts of a function the compiling of its own module: databases of Deno's, as the checker makes them of a large one
/// (`base-image/own-code.js`). What comes in is not to be trusted, as the JavaScript that it comes with.
package struct CodeCaches: Sendable, Hashable {
    /// Bytes of JavaScript from which it pays: a start takes 14 ms for 50 KB (`docs/performance.md`), and the databases, which have what the
    /// base image's have too, add more than 600 KB to the function's layer.
    package static let worthwhile = 64 << 10
    /// Bytes of JavaScript beyond which nothing is compiled ahead.
    package static let most = 16 << 20

    /// The files, by their names in Deno's directory; none for a function whose starts compile what it is.
    package private(set) var files: [String: [UInt8]] = [:]

    /// Those that serve on another platform: what is for any processor, if the Deno there is the same.
    func elsewhere(isSameDeno: Bool) -> CodeCaches {
        var caches = self
        caches.files = isSameDeno ? files.filter { DenoCaches.isPortable($0.key) } : [:]
        return caches
    }

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
                DenoCaches.isExpected(name, bytes)
            else { break }
            files[name] = bytes
        }
        throw BuilderError(.checkerAnswer, "The checker's answer about compiled code means nothing.")
    }
}
