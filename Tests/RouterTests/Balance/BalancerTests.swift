import NIOCore
import Testing

@testable import Router

@Suite struct BalancerTests {
    private func draws(_ values: Int...) -> (Int) -> Int {
        var rest = values
        return { bound in rest.isEmpty ? 0 : rest.removeFirst() % bound }
    }

    @Test func `the less loaded of two is chosen`() {
        let loads = [5, 3, 9]
        #expect(Balancer.choose(3, load: { loads[$0] }, draw: draws(0, 0)) == 1)
        #expect(Balancer.choose(3, load: { loads[$0] }, draw: draws(0, 1)) == 0)
        #expect(Balancer.choose(3, load: { loads[$0] }, draw: draws(2, 1)) == 1)
    }

    @Test func `one that may take nothing is passed over, even if all drawn are such`() {
        #expect(Balancer.choose(3, load: { $0 == 0 ? 8 : nil }, draw: draws(0, 0)) == 0)
        #expect(Balancer.choose(4, load: { $0 == 3 ? 8 : nil }, draw: draws(0, 0)) == 3)
        #expect(Balancer.choose(4, load: { _ in nil }, draw: draws(0, 0)) == nil)
        #expect(Balancer.choose(1, load: { _ in nil }, draw: draws()) == nil)
        #expect(Balancer.choose(0, load: { _ in 0 }, draw: draws()) == nil)
    }

    @Test func `load spreads evenly`() {
        var random = RequestIDSource()
        var loads = [Int](repeating: 0, count: 10)
        for _ in 0..<1000 {
            let index = Balancer.choose(10, load: { loads[$0] }, draw: { Int(random.next() >> 1) % $0 })
            loads[index ?? 0] += 1
        }
        #expect(loads.allSatisfy { (90...110).contains($0) }, "\(loads)")
    }
}

@Suite struct DialHealthTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test func `after a failure it rests, longer each time, up to a quarter of a second`() {
        var health = DialHealth()
        var now = start
        var rests: [Int64] = []
        for _ in 0..<8 {
            #expect(health.mayDial(at: now))
            health.dialling()
            health.failed(at: now) { $0 - 1 }
            guard let until = health.restsUntil else { Issue.record("no rest"); return }
            rests.append(((until - now).nanoseconds + 999_999) / 1_000_000)
            #expect(!health.mayDial(at: now))
            now = until
        }
        #expect(rests == [10, 20, 40, 80, 160, 250, 250, 250])
    }

    @Test func `one request tries, the others wait for the outcome`() {
        var health = DialHealth()
        health.failed(at: start) { _ in 0 }
        let later = start + .seconds(1)
        #expect(health.mayDial(at: later))
        health.dialling()
        #expect(!health.mayDial(at: later) && health.restsUntil == nil)
        #expect(health.succeeded() == true)
        #expect(health.mayDial(at: later))
        #expect(health.succeeded() == false)
    }

    @Test func `dials that fail together count once`() {
        var health = DialHealth()
        for _ in 0..<5 { health.failed(at: start) { _ in 0 } }
        #expect(health.restsUntil == start + .milliseconds(5))
    }
}

@Suite struct DeadlineTableTests {
    private final class Owner: DeadlineOwner {
        let name: Int
        init(_ name: Int) { self.name = name }
        func deadlineExpired(at now: NIODeadline) {}
    }

    @Test func `what has passed is taken out once, and places are used again`() {
        var table = DeadlineTable()
        let slots = (0..<4).map { table.insert(Owner($0)) }
        func time(_ value: UInt64) -> NIODeadline { .uptimeNanoseconds(value) }
        for (index, slot) in slots.enumerated() { table.set(slot, time(UInt64(index * 10))) }
        table.set(slots[1], time(100))
        table.remove(slots[0])
        #expect(table.expire(at: time(25)).compactMap { ($0 as? Owner)?.name } == [2])
        #expect(table.expire(at: time(25)).isEmpty)
        #expect(table.count == 3)
        #expect(table.insert(Owner(9)) == slots[0])
        #expect(table.expire(at: time(1000)).compactMap { ($0 as? Owner)?.name } == [1, 3])
    }
}
