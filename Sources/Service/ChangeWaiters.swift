/// Those who wait for the next change of an actor's state. A part of that actor, and used by nobody else: it looks, and when what it looks
/// for is not there yet, waits without having let anything come between.
package final class ChangeWaiters {
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    private var last = 0

    /// Nobody waits.
    package init() {}

    /// Returns at the next ``announce()``, at `deadline`, or when the task is cancelled.
    package func change(
        until deadline: ContinuousClock.Instant, isolation: isolated any Actor = #isolation
    ) async {
        last += 1
        let number = last
        let timer = Task {
            _ = isolation
            try? await Task.sleep(until: deadline)
            self.waiting.removeValue(forKey: number)?.resume()
        }
        await withTaskCancellationHandler {
            // A closure that does not name the actor runs beside it (SE-0420), and would write at the same time as others.
            _ = isolation
            await withCheckedContinuation { waiting[number] = $0 }
        } onCancel: {
            timer.cancel()
        }
        timer.cancel()
    }

    /// Something has changed: nobody waits any longer.
    package func announce() {
        let all = waiting.values
        waiting = [:]
        for continuation in all { continuation.resume() }
    }
}
