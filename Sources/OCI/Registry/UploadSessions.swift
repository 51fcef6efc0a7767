import Synchronization
internal import Transfer

/// Upload sessions being opened ahead of the blobs that will go into them.
package final class UploadSessions: Sendable {
    private struct State {
        var open: [WebAddress] = []
        /// How many are still being opened.
        var coming: Int
        var waiting: [CheckedContinuation<WebAddress?, Never>] = []
    }

    /// The repository that they belong to.
    package let repository: String
    private let state: Mutex<State>

    init(repository: String, count: Int) {
        self.repository = repository
        state = Mutex(State(coming: count))
    }

    /// A session for the caller alone, as soon as one is there; `nil` if there is none left and none coming.
    func next() async -> WebAddress? {
        await withCheckedContinuation { continuation in
            let answer: WebAddress?? = state.withLock { state in
                if let session = state.open.popLast() { return .some(session) }
                guard state.coming > state.waiting.count else { return .some(nil) }
                state.waiting.append(continuation)
                return nil
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    /// One of those coming is open, or failed to open.
    func arrived(_ session: WebAddress?) {
        let waiting: CheckedContinuation<WebAddress?, Never>? = state.withLock { state in
            state.coming -= 1
            if !state.waiting.isEmpty { return state.waiting.removeFirst() }
            if let session { state.open.append(session) }
            return nil
        }
        waiting?.resume(returning: session)
    }

    /// Takes all that are open and unused.
    func takeUnused() -> [WebAddress] {
        state.withLock { state in
            defer { state.open = [] }
            return state.open
        }
    }
}
