/// The bytes of an answer in the chunks they arrive in, never empty. A slow reader slows the peer down: at most some 256 KiB wait.
///
/// Only one task may iterate, once. Cancelling that task ends the exchange.
package struct ResponseBody: AsyncSequence, Sendable {
    package typealias Element = [UInt8]
    package typealias Failure = TransferError

    /// Reads chunk by chunk.
    package struct Iterator: AsyncIteratorProtocol {
        package mutating func next() async throws(TransferError) -> [UInt8]? {
            throw TransferError(.unavailable, "The client is not built yet.")
        }
    }

    package func makeAsyncIterator() -> Iterator { Iterator() }

    /// The whole body; throws `tooLarge` as soon as it exceeds `limit` bytes.
    package func collect(limit: Int) async throws(TransferError) -> [UInt8] {
        throw TransferError(.unavailable, "The client is not built yet.")
    }
}
