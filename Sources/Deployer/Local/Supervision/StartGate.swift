import Synchronization

/// Lets a few instances start at a time, in the order in which they ask: many at once would all be late.
///
/// A start that takes long, because its function does, counts no longer than ``patience``.
actor StartGate {
    /// A place among those that start; given back once, by ``end()`` or when it has lasted too long.
    final class Turn: Sendable {
        private let release: Mutex<(@Sendable () -> Void)?>
        fileprivate init(_ release: @escaping @Sendable () -> Void) { self.release = Mutex(release) }

        /// The start is over.
        func end() {
            let release = release.withLock { release in
                defer { release = nil }
                return release
            }
            release?()
        }
    }

    private static let patience: Duration = .seconds(1)

    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// A gate for `limit` starts at a time.
    init(limit: Int) { free = max(1, limit) }

    /// Waits for a place.
    func turn() async -> Turn {
        if free > 0 { free -= 1 } else { await withCheckedContinuation { waiting.append($0) } }
        let turn = Turn { Task { await self.leave() } }
        Task {
            try? await Task.sleep(for: Self.patience)
            turn.end()
        }
        return turn
    }

    private func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}
