import Contract
import NIOCore
import Synchronization

/// How one function is routed, immutable, shared by all event loops.
final class FunctionRoute: Sendable {
    /// One revision as a destination.
    struct Target: Sendable {
        let revision: Int
        let weight: Int
        let timeout: TimeAmount
        let concurrency: Int
        let endpoints: [SharedEndpoint]
        let notice: RouteNotice?
        /// Where ends of requests are counted, while there are several targets.
        var outcomes: OutcomeCounter?
        /// What answers to pages of other origins have; `nil`: what the function says.
        var cors: CORSFields?
    }

    let function: FunctionName
    let name: String
    let targets: [Target]
    let pinned: [Target]
    let waiting: WaitingRoom
    /// Its place in tables by function, the same as long as the function is routed.
    let slot: Int
    /// Whether several revisions share the traffic.
    let isDivided: Bool
    /// How the revision of a client is drawn that is to keep to it.
    let sticky: StickyDraw?
    /// The sum of the weights of those targets that have endpoints.
    let availableWeight: Int

    init(
        _ function: FunctionName, targets: [Target], pinned: [Target], waiting: WaitingRoom, slot: Int = 0,
        sticky: StickyDraw? = nil
    ) {
        self.function = function
        name = function.value
        self.targets = targets
        self.pinned = pinned
        self.waiting = waiting
        self.slot = slot
        isDivided = targets.count > 1
        self.sticky = sticky
        availableWeight = targets.reduce(0) { $1.endpoints.isEmpty ? $0 : $0 + max(0, $1.weight) }
    }

    /// The target that a request goes to which is aimed so.
    func target(_ aim: Aim, draw: (Int) -> Int) -> Result<Target, Reason> {
        switch aim {
        case .any: return target(revision: nil, draw: draw)
        case .number(let number): return target(revision: number, draw: draw)
        case .drawn(let number):
            let drawn = targets.first { $0.revision == number && $0.weight > 0 }
            guard let drawn, !drawn.endpoints.isEmpty || availableWeight == 0 else {
                return target(revision: nil, draw: draw)
            }
            return .success(drawn)
        }
    }

    /// The target that a request goes to: the one with number `revision`, or one drawn by weight among those with
    /// endpoints, by a number that `draw` makes below its argument. One without endpoints is returned when no other has
    /// any.
    func target(revision: Int?, draw: (Int) -> Int) -> Result<Target, Reason> {
        if let revision {
            let found = targets.first { $0.revision == revision } ?? pinned.first { $0.revision == revision }
            return found.map(Result.success) ?? .failure(.unknownRevision)
        }
        guard let first = targets.first else { return .failure(.nothingServes) }
        if targets.count == 1 { return .success(first) }
        guard availableWeight > 0 else {
            return .success(targets.first { $0.weight > 0 } ?? first)
        }
        var rest = draw(availableWeight)
        for target in targets where !target.endpoints.isEmpty && target.weight > 0 {
            rest -= target.weight
            if rest < 0 { return .success(target) }
        }
        return .success(first)
    }
}

/// How many requests wait for an instance, and on which event loops: shared by all of them, so that the bound is one
/// bound and a place that becomes free on one loop wakes a request that waits on another.
final class WaitingRoom: Sendable {
    private let count = Atomic<Int>(0)
    private let loops = Atomic<UInt64>(0)

    /// Takes one of `limit` places.
    func enter(limit: Int) -> Bool {
        if count.add(1, ordering: .relaxed).newValue <= limit { return true }
        count.subtract(1, ordering: .relaxed)
        return false
    }

    /// Gives a place back.
    func leave() { count.subtract(1, ordering: .relaxed) }

    /// How many wait.
    var occupancy: Int { count.load(ordering: .relaxed) }

    /// The loops on which requests wait, as a bit mask. Sequentially consistent with ``SharedEndpoint/release()``: a
    /// loop announces itself, then tries once more; a release comes first and is seen, or comes later and sees the
    /// mark.
    var waitingLoops: UInt64 { loops.load(ordering: .sequentiallyConsistent) }
    func announce(_ loop: Int) { loops.bitwiseOr(1 << UInt64(loop), ordering: .sequentiallyConsistent) }
    func withdraw(_ loop: Int) { loops.bitwiseAnd(~(1 << UInt64(loop)), ordering: .sequentiallyConsistent) }
}
