import Testing

@testable import Router

@Suite struct HoldQueueTests {
    @Test func `elements leave in the order in which they came`() {
        var queue = HoldQueue<Int>()
        for value in 0..<200 { _ = queue.append(value) }
        #expect((0..<200).map { _ in queue.popFirst() } == (0..<200).map(Optional.some))
        #expect(queue.popFirst() == nil && queue.isEmpty)
    }

    @Test func `one in the middle can leave, once`() {
        var queue = HoldQueue<Int>()
        let tickets = (0..<5).map { queue.append($0) }
        #expect(queue.remove(tickets[2]) == 2)
        #expect(queue.remove(tickets[2]) == nil)
        #expect(queue.remove(tickets[0]) == 0)
        #expect(queue.count == 3)
        #expect([queue.popFirst(), queue.popFirst(), queue.popFirst(), queue.popFirst()] == [1, 3, 4, nil])
        #expect(queue.remove(tickets[4]) == nil)
    }

    @Test func `one that lost its turn comes before all others`() {
        var queue = HoldQueue<Int>()
        _ = queue.append(1)
        let ticket = queue.prepend(0)
        _ = queue.prepend(-1)
        #expect(queue.remove(ticket) == 0)
        #expect([queue.popFirst(), queue.popFirst(), queue.popFirst()] == [-1, 1, nil])
    }

    @Test func `it behaves like a list under any order of operations`() {
        var random = RequestIDSource()
        for _ in 0..<50 {
            var queue = HoldQueue<Int>()
            var model: [(ticket: HoldQueue<Int>.Ticket, value: Int)] = []
            for value in 0..<600 {
                switch random.next() % 8 {
                case 0...3: model.append((queue.append(value), value))
                case 4: model.insert((queue.prepend(value), value), at: 0)
                case 5 where !model.isEmpty:
                    let victim = model.remove(at: Int(random.next() % UInt64(model.count)))
                    #expect(queue.remove(victim.ticket) == victim.value)
                default:
                    let first = model.isEmpty ? nil : model.removeFirst().value
                    #expect(queue.popFirst() == first)
                }
                #expect(queue.count == model.count)
            }
        }
    }
}
