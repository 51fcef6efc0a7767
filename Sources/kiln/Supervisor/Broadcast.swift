import Synchronization

/// Events that any number of readers follow, each from the first one on: a stream of its own for each, so that one that stops
/// reading does not end the others'.
final class Broadcast<Element: Sendable>: Sendable {
    private struct State {
        var sent: [Element] = []
        var readers: [Int: AsyncStream<Element>.Continuation] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    func send(_ element: Element) {
        state.withLock { state in
            state.sent.append(element)
            for reader in state.readers.values { reader.yield(element) }
        }
    }

    /// The number of events so far.
    var count: Int { state.withLock { $0.sent.count } }

    /// All events after the first `skipped`.
    func events(skipping skipped: Int = 0) -> AsyncStream<Element> {
        let (stream, continuation) = AsyncStream.makeStream(of: Element.self)
        let id = state.withLock { state in
            for element in state.sent.dropFirst(skipped) { continuation.yield(element) }
            state.next += 1
            state.readers[state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { $0.readers[id] = nil }
        }
        return stream
    }

    /// The first event after the first `skipped`; `nil` when the task is cancelled before it.
    func first(skipping skipped: Int = 0) async -> Element? {
        for await element in events(skipping: skipped) { return element }
        return nil
    }
}
