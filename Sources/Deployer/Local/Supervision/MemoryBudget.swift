import Synchronization

/// The memory that all instances of functions may use together, and who has how much of it.
///
/// An instance that starts is reserved its whole limit. One that runs counts what it uses, at least ``floor``: by limits alone a machine would be
/// full of functions that idle. So the sum of the limits may be more than the budget, and functions that all grow at once meet the kernel,
/// which ends one of them (they have a higher `oom_score_adj` than anything else of Kiln's).
final class MemoryBudget: Sendable {
    /// What a running instance counts at least, in bytes: Deno has half of it resident when it idles.
    static let floor: Int64 = 64 << 20
    /// How old a measurement may be.
    private static let freshness: Duration = .seconds(1)

    /// There is no room.
    struct Shortage: Error, Hashable, CustomStringConvertible {
        var wanted: Int64
        var used: Int64
        var budget: Int64

        var description: String {
            "The machine has no room for another instance with \(wanted >> 20) MiB: instances use \(used >> 20) of the "
                + "\(budget >> 20) MiB that all of them may use together (--memory-budget). Give it less memory=, let functions "
                + "that nobody calls be parked (idle=15m), or delete some."
        }
    }

    private struct State {
        var starting: [String: Int64] = [:]
        var running: [String: Int64] = [:]
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
        var measured: (bytes: [String: Int64], at: ContinuousClock.Instant)?
    }

    /// The budget in bytes; `nil` is none.
    let total: Int64?
    private let measure: @Sendable (String) -> Int64?
    private let state = Mutex(State())

    /// A budget of `total` bytes; `measure` says what an instance uses now.
    init(total: Int64?, measure: @escaping @Sendable (String) -> Int64?) {
        self.total = total
        self.measure = measure
    }

    /// Reserves `limit` bytes for the instance that `seat` starts; throws ``Shortage``.
    func reserve(_ limit: Int64, for seat: String) throws(Shortage) {
        guard let total else { return }
        let shortage = state.withLock { state -> Shortage? in
            let used = inUse(&state)
            guard used + limit <= total else { return Shortage(wanted: limit, used: used, budget: total) }
            state.starting[seat] = limit
            return nil
        }
        if let shortage { throw shortage }
    }

    /// Why `count` instances with `limit` bytes have no room now, and how many of them have; `nil` when all have.
    func shortage(of count: Int, _ limit: Int64) -> (room: Int, Shortage)? {
        guard let total else { return nil }
        let used = state.withLock { inUse(&$0) }
        let room = max(0, Int((total - used) / max(1, limit)))
        return room >= count ? nil : (room, Shortage(wanted: limit, used: used, budget: total))
    }

    /// The start of `seat` is over; its instance, if there is one, counts from now on.
    func started(_ seat: String, _ instance: String?, limit: Int64) {
        let waiters = state.withLock { state in
            state.starting[seat] = nil
            if let instance { state.running[instance] = limit }
            return Self.takeWaiters(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Counts an instance that runs already.
    func adopt(_ instance: String, limit: Int64) { state.withLock { $0.running[instance] = limit } }

    /// An instance is gone.
    func ended(_ instance: String) {
        let waiters = state.withLock { state in
            state.running[instance] = nil
            return Self.takeWaiters(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// What all instances use now.
    var used: Int64 { state.withLock { inUse(&$0) } }

    /// Whether anybody waits for room.
    var isAwaited: Bool { state.withLock { !$0.waiters.isEmpty } }

    /// Returns when an instance has ended or its start is over, so that there may be room, or after `limit`: what instances use may shrink
    /// without a word. `false`: the task was cancelled.
    func waitForRoom(atMost limit: Duration) async -> Bool {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // Registered before the look at cancellation: whatever comes first, one of both sees the other.
                state.withLock { $0.waiters[number] = continuation }
                if Task.isCancelled { forget(number) }
                Task {
                    try? await Task.sleep(for: limit)
                    forget(number)
                }
            }
        } onCancel: {
            forget(number)
        }
        return !Task.isCancelled
    }

    private func forget(_ number: Int) { state.withLock { $0.waiters.removeValue(forKey: number) }?.resume() }

    private static func takeWaiters(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        defer { state.waiters = [:] }
        return Array(state.waiters.values)
    }

    private func inUse(_ state: inout State) -> Int64 {
        let now = ContinuousClock.now
        if state.measured.map({ $0.at.duration(to: now) > Self.freshness }) ?? true {
            state.measured = (
                Dictionary(state.running.keys.compactMap { id in measure(id).map { (id, $0) } }) { $1 }, now
            )
        }
        let running = state.running.reduce(Int64(0)) { sum, instance in
            sum + max(min(Self.floor, instance.value), state.measured?.bytes[instance.key] ?? 0)
        }
        return running + state.starting.values.reduce(0, +)
    }
}
