/// What a request sends after its head.
package struct RequestBody: Sendable {
    enum Content: Sendable {
        case none
        case bytes([UInt8])
        case file(FilePart)
        case stream(length: Int?, @Sendable () -> BodySource)
    }

    let content: Content

    /// No body; `POST`, `PUT` and `PATCH` say so with `Content-Length: 0`.
    package static let none = RequestBody(content: .none)

    /// Bytes in memory.
    package static func bytes(_ bytes: [UInt8]) -> RequestBody { RequestBody(content: .bytes(bytes)) }

    /// Text as UTF-8.
    package static func text(_ text: String) -> RequestBody { .bytes(Array(text.utf8)) }

    /// A file's content, read while it is sent. The file must not change meanwhile.
    package static func file(_ path: String) -> RequestBody { RequestBody(content: .file(FilePart(path: path))) }

    /// The `length` bytes at `offset` of a file that is there as long as `owner` is.
    package static func file(
        _ path: String, at offset: Int, length: Int, keeping owner: any AnyObject & Sendable
    ) -> RequestBody {
        RequestBody(content: .file(FilePart(path: path, offset: offset, length: length, owner: owner)))
    }

    /// A file that is sent, or a part of it.
    struct FilePart: Sendable {
        let path: String
        var offset = 0
        /// `nil`: up to its end.
        var length: Int?
        /// What keeps the file there.
        var owner: (any AnyObject & Sendable)?
    }

    /// Chunks as `chunks` yields them, pulled only as fast as the peer reads. With `length` the body must have exactly
    /// that many bytes; without it is sent in chunked coding. A request with such a body is sent once, never retried.
    package static func stream<Chunks: AsyncSequence & Sendable>(length: Int? = nil, _ chunks: Chunks) -> RequestBody
    where Chunks.Element == [UInt8] {
        RequestBody(content: .stream(length: length) { BodySource(chunks) })
    }

    /// Whether the same body can be sent again.
    package var isReplayable: Bool {
        if case .stream = content { false } else { true }
    }
}

/// An opened stream of chunks with its type erased.
struct BodySource: Sendable {
    let run: @Sendable (_ sink: ([UInt8]) async throws -> Void) async throws -> Void

    init<Chunks: AsyncSequence & Sendable>(_ chunks: Chunks) where Chunks.Element == [UInt8] {
        run = { sink in for try await chunk in chunks { try await sink(chunk) } }
    }
}
