import CLinux
import Dispatch
import Glibc
import Synchronization

/// A process of this machine that may be nobody's child here, held by a pidfd: its number cannot come to mean another process.
final class ProcessHandle: Sendable {
    /// The process's number.
    let pid: pid_t
    private let descriptor: Int32
    private let source: DescriptorSource
    private let exit: Exit

    /// Takes hold of process `pid`; `nil` when there is none.
    init?(pid: pid_t) {
        let descriptor = linux_pidfd_open(pid)
        guard descriptor >= 0 else { return nil }
        let exit = Exit()
        self.pid = pid
        self.descriptor = descriptor
        self.exit = exit
        source = DescriptorSource(owning: descriptor) { exit.happened() }
    }

    /// Whether the process has ended.
    var hasExited: Bool { exit.hasHappened || !signal(0) }

    /// Waits for the end of the process: true when it has ended, false when the task was cancelled before.
    func exited() async -> Bool { await exit.wait() }

    /// Waits for the end of the process for at most `limit`; false when it still runs then. Deaf to cancellation.
    func exited(within limit: Duration) async -> Bool {
        await Task {
            await withTaskGroup(of: Bool.self) { group in
                group.addTask { await self.exited() }
                group.addTask {
                    try? await Task.sleep(for: limit)
                    return false
                }
                let first = await group.next() ?? false
                group.cancelAll()
                return first
            }
        }.value
    }

    /// Sends `number`; false when the process has ended.
    @discardableResult
    func signal(_ number: Int32) -> Bool { linux_pidfd_send_signal(descriptor, number) == 0 }
}

/// The end of a process: a flag and those who wait for it.
private final class Exit: Sendable {
    private struct State {
        var happened = false
        var nextWaiter = 0
        var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]
    }

    private let state = Mutex(State())

    var hasHappened: Bool { state.withLock { $0.happened } }

    func happened() {
        let waiters = state.withLock { state in
            state.happened = true
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume(returning: true) }
    }

    func wait() async -> Bool {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let now: Bool? = state.withLock { state in
                    if state.happened { return true }
                    if Task.isCancelled { return false }
                    state.waiters[number] = continuation
                    return nil
                }
                if let now { continuation.resume(returning: now) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: false)
        }
    }
}
