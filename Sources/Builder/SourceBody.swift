import Contract
import NIOCore
import NIOHTTP1
import OCI
import Service

/// Reads a function's source from a request.
enum SourceBody {
    /// Bytes of a body that are kept in memory.
    private static let memory = 1 << 20

    /// The whole body, in `spool` if it is large; throws a 413 as soon as it is known to have more than `limit` bytes, a 400 when there is none,
    /// and a 400 for a form, which is what `curl -F` sends.
    static func read(_ request: ServiceRequest, limit: Int, spool: SpoolDirectory?) async throws -> BlobContent {
        if let type = request.headers.first(name: "Content-Type"), type.lowercased().hasPrefix("multipart/") {
            throw Problem(
                "invalid-body", 400, "Not a source",
                "The body is a form. Send the file itself: curl --data-binary @FILE.ts …")
        }
        if let length = request.headers.first(name: "Content-Length").flatMap({ Int($0) }), length > limit {
            throw tooLarge(limit)
        }
        var source = SpoolWriter(spool, memory: memory)
        while let piece = try await request.body.next() {
            guard source.count + piece.readableBytes <= limit else { throw tooLarge(limit) }
            try piece.withUnsafeReadableBytes { try source.append($0) }
        }
        guard source.count > 0 else {
            throw Problem(
                "empty-body", 400, "No source",
                "The body is empty: send the function's source, e.g. curl --data-binary @hello.ts …")
        }
        return source.take()
    }

    private static func tooLarge(_ limit: Int) -> Problem {
        Problem(
            "too-large", 413, "Source too large",
            "A function's source may have at most \(limit) bytes here; the operator can raise that with --max-source.")
    }
}
