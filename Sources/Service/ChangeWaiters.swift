/// Those who wait for the next change of an actor's state. A part of that actor: it looks, and when what it looks for is not there yet,
/// waits without having let anything come between.
package struct ChangeWaiters: Sendable {
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    private var next = 0

    /// Nobody waits.
    package init() {}

    /// The number of the next one to wait, for ``wake(_:)``.
    package mutating func number() -> Int {
        next += 1
        return next
    }

    /// Lets `number` wait, who is resumed through `continuation`.
    package mutating func add(_ number: Int, _ continuation: CheckedContinuation<Void, Never>) {
        waiting[number] = continuation
    }

    /// Ends the wait of one, if it still waits: its time is over.
    package mutating func wake(_ number: Int) { waiting.removeValue(forKey: number)?.resume() }

    /// Ends the wait of all: something has changed.
    package mutating func wakeAll() {
        let all = waiting.values
        waiting = [:]
        for continuation in all { continuation.resume() }
    }
}
