import Contract
import NIOCore
import NIOHTTP1

/// The body of a request, read piece by piece as it arrives; what is not asked for stays in the socket.
///
/// `@unchecked Sendable`: one task at a time uses it. The connection's task hands it to the handler with the request and does not touch
/// it until the handler has returned; handlers read it from one task.
package final class RequestBody: @unchecked Sendable {
    private var iterator: NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator
    private var onFirstRead: (@Sendable () async throws -> Void)?
    private(set) var ended = false
    private var collected: [UInt8]?

    init(
        _ iterator: NIOAsyncChannelInboundStream<HTTPServerRequestPart>.AsyncIterator,
        onFirstRead: (@Sendable () async throws -> Void)?
    ) {
        self.iterator = iterator
        self.onFirstRead = onFirstRead
    }

    /// The next piece, or `nil` at the end. Throws when the peer goes away before the end.
    package func next() async throws -> ByteBuffer? {
        guard !ended else { return nil }
        if let action = onFirstRead {
            onFirstRead = nil
            try await action()
        }
        switch try await iterator.next() {
        case .body(let buffer): return buffer
        case .end:
            ended = true
            return nil
        case .head: throw ServiceError("a request head where a body was expected")
        case nil: throw ServiceError("the peer closed the connection inside a request body")
        }
    }

    /// The whole body, however often it is asked for; throws a 413 problem when it has more than `limit` bytes, without reading on.
    package func collect(upTo limit: Int) async throws -> [UInt8] {
        if let collected { return collected }
        var bytes: [UInt8] = []
        while let piece = try await next() {
            guard bytes.count + piece.readableBytes <= limit else {
                throw Problem("too-large", 413, "Content too large", "The body has more than \(limit) bytes.")
            }
            bytes.append(contentsOf: piece.readableBytesView)
        }
        collected = bytes
        return bytes
    }

    /// Reads and drops what the handler left, up to `limit` bytes; `false` when there was more.
    func drain(upTo limit: Int) async throws -> Bool {
        if onFirstRead != nil { return false }
        var rest = limit
        while let piece = try await next() {
            rest -= piece.readableBytes
            if rest < 0 { return false }
        }
        return true
    }
}

/// A failure of a connection to a role; logged, never answered.
package struct ServiceError: Error, CustomStringConvertible {
    /// What happened.
    package let description: String
    init(_ description: String) { self.description = description }
}
