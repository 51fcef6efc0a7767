/// The bytes of an answer in the chunks they arrive in, never empty. A slow reader slows the peer down: at most some
/// 256 KiB wait.
///
/// Only one task may iterate, once. Cancelling that task ends the exchange.
package struct ResponseBody: AsyncSequence, Sendable {
    package typealias Element = [UInt8]
    package typealias Failure = TransferError

    /// Reads chunk by chunk.
    package struct Iterator: AsyncIteratorProtocol {
        let reader: BodyReader

        package mutating func next() async throws(TransferError) -> [UInt8]? { try await reader.next() }

        package mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(TransferError) -> [UInt8]? { try await reader.next() }
    }

    private let reader: BodyReader

    init(_ reader: BodyReader) { self.reader = reader }

    package func makeAsyncIterator() -> Iterator { Iterator(reader: reader) }

    /// The whole body; throws `tooLarge` as soon as it exceeds `limit` bytes.
    package func collect(limit: Int) async throws(TransferError) -> [UInt8] {
        var bytes: [UInt8] = []
        while let chunk = try await reader.next() {
            guard bytes.count + chunk.count <= limit else {
                reader.cancel()
                throw TransferError(.tooLarge, "The answer is larger than its limit of \(limit) bytes.")
            }
            bytes.append(contentsOf: chunk)
        }
        return bytes
    }
}

/// The one reader of an answer's body; the exchange ends with it, and the client lives as long.
final class BodyReader: Sendable {
    private let exchange: Exchange
    private let client: HTTPClient

    init(_ exchange: Exchange, client: HTTPClient) {
        self.exchange = exchange
        self.client = client
    }

    deinit { exchange.cancel() }

    func cancel() { exchange.cancel() }

    func next() async throws(TransferError) -> [UInt8]? {
        switch await exchange.wait(for: .chunk) {
        case .chunk(let bytes): return bytes
        case .end: return nil
        case .failure(let error): throw error
        case .head, .whole: throw HTTPClient.outOfStep
        }
    }
}
