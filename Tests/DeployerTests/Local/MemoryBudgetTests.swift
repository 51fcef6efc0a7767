import Contract
import Synchronization
import Testing

@testable import Deployer

@Suite struct MemoryBudgetTests {
    private let mebibyte: Int64 = 1 << 20

    @Test func `what starts counts its limit, what runs what it uses, and at least the floor`() throws {
        let use = Mutex<[String: Int64]>([:])
        let budget = MemoryBudget(total: 500 << 20) { id in use.withLock { $0[id] } }
        try budget.reserve(256 << 20, for: "one")
        let full = #expect(throws: MemoryBudget.Shortage.self) { try budget.reserve(256 << 20, for: "two") }
        #expect(full == MemoryBudget.Shortage(wanted: 256 << 20, used: 256 << 20, budget: 500 << 20))
        budget.started("one", "a", limit: 256 << 20)
        try budget.reserve(256 << 20, for: "two")
        budget.started("two", nil, limit: 256 << 20)
        budget.adopt("b", limit: 32 << 20)
        // 64 + 32: nothing counts more than its limit that does not use it.
        #expect(budget.shortage(of: 5, 100 << 20)?.room == 4)
        #expect(budget.shortage(of: 4, 100 << 20) == nil)
        budget.ended("a")
        #expect(budget.shortage(of: 5, 100 << 20)?.room == 4)
        budget.ended("b")
        #expect(budget.shortage(of: 5, 100 << 20) == nil)
    }

    @Test func `what uses more than the floor counts that`() throws {
        let budget = MemoryBudget(total: 500 << 20) { _ in 300 << 20 }
        budget.adopt("a", limit: 400 << 20)
        let full = #expect(throws: MemoryBudget.Shortage.self) { try budget.reserve(256 << 20, for: "two") }
        #expect(full?.used == 300 << 20)
        #expect(full?.description.contains("--memory-budget") == true)
    }

    @Test(.timeLimit(.minutes(2)))
    func `who waits for room is told when an instance ends, and does not wait for ever`() async throws {
        let budget = MemoryBudget(total: 100 << 20) { _ in nil }
        budget.adopt("a", limit: 100 << 20)
        let waiting = Task { await budget.waitForRoom(atMost: .seconds(3600)) }
        while !budget.isAwaited { await Task.yield() }
        budget.ended("a")
        #expect(await waiting.value)
        #expect(await budget.waitForRoom(atMost: .milliseconds(10)))
        let given = Task { await budget.waitForRoom(atMost: .seconds(3600)) }
        while !budget.isAwaited { await Task.yield() }
        given.cancel()
        #expect(await !given.value)
        #expect(!budget.isAwaited)
    }

    @Test func `the pauses of who waits for room grow`() {
        var rest = Backoff.forRoom
        let pauses = (0..<8).map { _ in rest.pause(afterRunningFor: .zero) }
        #expect(pauses.first == .milliseconds(500) && pauses.last == .seconds(16))
    }

    @Test func `without a budget there is always room`() throws {
        let budget = MemoryBudget(total: nil) { _ in nil }
        for number in 0..<100 { try budget.reserve(1 << 40, for: "\(number)") }
        #expect(budget.shortage(of: 100, 1 << 40) == nil)
    }
}
