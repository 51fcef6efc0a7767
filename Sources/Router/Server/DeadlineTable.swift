import NIOCore

/// What has to happen by a certain time, or else.
protocol DeadlineOwner: AnyObject {
    /// The time has come.
    func deadlineExpired(at now: NIODeadline)
}

/// The deadlines of all connections of one event loop: one number each.
///
/// Moving a deadline, which happens several times per request, is one store; a periodic look over the numbers finds the
/// ones that have passed. 10,000 of them take a few microseconds, less than a timer heap spends on a single request.
struct DeadlineTable {
    /// Names a place in the table.
    struct Slot: Hashable {
        fileprivate let index: Int
    }

    private var deadlines: ContiguousArray<NIODeadline> = []
    private var owners: ContiguousArray<(any DeadlineOwner)?> = []
    private var free: [Int] = []

    /// How many places are taken.
    var count: Int { owners.count - free.count }

    /// Takes a place for `owner`.
    mutating func insert(_ owner: any DeadlineOwner) -> Slot {
        if let index = free.popLast() {
            owners[index] = owner
            deadlines[index] = .distantFuture
            return Slot(index: index)
        }
        owners.append(owner)
        deadlines.append(.distantFuture)
        return Slot(index: owners.count - 1)
    }

    /// Gives a place back.
    mutating func remove(_ slot: Slot) {
        owners[slot.index] = nil
        deadlines[slot.index] = .distantFuture
        free.append(slot.index)
    }

    /// Moves a deadline.
    @inline(__always)
    mutating func set(_ slot: Slot, _ deadline: NIODeadline) { deadlines[slot.index] = deadline }

    /// Takes out the deadlines that have passed.
    mutating func expire(at now: NIODeadline) -> [any DeadlineOwner] {
        var expired: [any DeadlineOwner] = []
        for index in deadlines.indices where deadlines[index] <= now {
            deadlines[index] = .distantFuture
            if let owner = owners[index] { expired.append(owner) }
        }
        return expired
    }

    /// Everyone in the table.
    var all: [any DeadlineOwner] { owners.compactMap { $0 } }
}
