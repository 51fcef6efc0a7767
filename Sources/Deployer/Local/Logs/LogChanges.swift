import Synchronization

/// Tells a follower of logs when there may be something new.
final class LogChanges: Sendable {
    private struct State {
        var tasks: [Task<Void, Never>] = []
        var haveInstancesChanged = false
    }

    private let watch: DirectoryWatch
    private let state = Mutex(State())
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// Watches `instances`, where instances come and go.
    init(watch: DirectoryWatch, instances: String) {
        self.watch = watch
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        forward(instances) { [weak self] in self?.state.withLock { $0.haveInstancesChanged = true } }
    }

    /// Watches a directory with a log too.
    func watch(_ directory: String) { forward(directory) {} }

    /// Waits for a change; `false` when the task is cancelled.
    func wait() async -> Bool {
        for await _ in wakes { return true }
        return false
    }

    /// There is more to read without a change.
    func again() { wake.yield() }

    /// Whether instances have come or gone since this was asked.
    func takeNews() -> Bool {
        state.withLock { state in
            defer { state.haveInstancesChanged = false }
            return state.haveInstancesChanged
        }
    }

    /// Stops watching.
    func stop() {
        for task in state.withLock({ $0.tasks }) { task.cancel() }
        wake.finish()
    }

    private func forward(_ directory: String, before: @escaping @Sendable () -> Void) {
        guard let changes = try? watch.changes(in: directory) else { return }
        let wake = wake
        let task = Task.detached {
            for await _ in changes {
                before()
                wake.yield()
            }
            wake.yield()
        }
        state.withLock { $0.tasks.append(task) }
    }
}
