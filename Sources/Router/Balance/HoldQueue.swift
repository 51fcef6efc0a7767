/// First in, first out, where one in the middle can leave in constant time.
struct HoldQueue<Element> {
    /// Names an element as long as it waits.
    struct Ticket: Hashable, Sendable {
        fileprivate let position: Int
    }

    private var slots: [Element?] = []
    /// The position of `slots[0]`.
    private var base = 0
    /// Where the first element may be.
    private var head = 0
    /// How many wait.
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    /// Adds an element at the end.
    mutating func append(_ element: Element) -> Ticket {
        slots.append(element)
        count += 1
        return Ticket(position: base + slots.count - 1)
    }

    /// Adds an element before all others: one that had its turn and lost it through no fault of its own.
    mutating func prepend(_ element: Element) -> Ticket {
        count += 1
        if head > 0 {
            head -= 1
            slots[head] = element
        } else {
            slots.insert(element, at: 0)
            base -= 1
        }
        return Ticket(position: base + head)
    }

    /// Takes out the first element.
    mutating func popFirst() -> Element? {
        skipEmpty()
        guard head < slots.count, let element = slots[head] else { return nil }
        slots[head] = nil
        count -= 1
        head += 1
        compact()
        return element
    }

    /// Takes out the element that `ticket` names, if it still waits.
    @discardableResult
    mutating func remove(_ ticket: Ticket) -> Element? {
        let index = ticket.position - base
        guard slots.indices.contains(index), let element = slots[index] else { return nil }
        slots[index] = nil
        count -= 1
        skipEmpty()
        compact()
        return element
    }

    private mutating func skipEmpty() {
        while head < slots.count, slots[head] == nil { head += 1 }
    }

    private mutating func compact() {
        if count == 0 {
            base += slots.count
            slots.removeAll(keepingCapacity: slots.count < 1024)
            head = 0
        } else if head > 64, head > slots.count / 2 {
            slots.removeFirst(head)
            base += head
            head = 0
        }
    }
}
