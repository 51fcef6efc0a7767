import Service
import Testing

/// Waiting for the next change of an actor's state.
@Suite struct ChangeWaitersTests {
    private actor State {
        private let waiters = ChangeWaiters()

        func wait(until deadline: ContinuousClock.Instant) async { await waiters.change(until: deadline) }
        func change() { waiters.announce() }
    }

    @Test(.timeLimit(.minutes(1))) func `many wait while there are changes all the time, and each goes on once`() async
    {
        let state = State()
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<2000 { await state.wait(until: .now + .seconds(60)) }
                    return true
                }
            }
            for _ in 0..<2 {
                group.addTask {
                    while !Task.isCancelled {
                        await state.change()
                        await Task.yield()
                    }
                    return false
                }
            }
            var left = 8
            while left > 0, let hasWaited = await group.next() { left -= hasWaited ? 1 : 0 }
            group.cancelAll()
        }
    }

    @Test(.timeLimit(.minutes(1))) func `nobody waits longer than told, nor when they are not to wait any more`() async
    {
        let state = State()
        let begin = ContinuousClock.now
        await state.wait(until: begin + .milliseconds(50))
        #expect(.now - begin >= .milliseconds(50))
        let waiting = Task { await state.wait(until: begin + .seconds(600)) }
        waiting.cancel()
        await waiting.value
    }
}
