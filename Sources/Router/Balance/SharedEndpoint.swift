import Contract
import NIOCore
import Synchronization

/// One instance, as all event loops share it: what it is and how many requests it has been given.
final class SharedEndpoint: Sendable {
    let endpoint: Endpoint
    /// Tells endpoints apart on the hot path, cheaper than their ids.
    let serial: Int
    /// Where to dial; `nil` when the address can't be one.
    let address: SocketAddress?
    /// In the low half the requests assigned to it and not finished, dialling included; in the high half how many have been assigned
    /// to it in all, modulo 2³². One word, so that counting costs the hot path nothing.
    private let counts = Atomic<UInt64>(0)
    /// The count of assigned requests that ``takeStarted()`` saw last.
    private let seen = Atomic<UInt32>(0)
    /// Whether it is in no table any more.
    private let left = Atomic<Bool>(false)

    init(_ endpoint: Endpoint, serial: Int) {
        self.endpoint = endpoint
        self.serial = serial
        address =
            switch endpoint.address {
            case .unix(let path): try? SocketAddress(unixDomainSocketPath: path)
            case .tcp(let host, let port): try? SocketAddress(ipAddress: host, port: port)
            }
    }

    /// How many requests it has now.
    var load: Int { Self.load(counts.load(ordering: .relaxed)) }

    /// How many requests have been assigned to it since the last call. One caller.
    func takeStarted() -> Int {
        let total = UInt32(counts.load(ordering: .relaxed) >> 32)
        return Int(total &- seen.exchange(total, ordering: .relaxed))
    }

    /// Whether it has no request, and had none that ``takeStarted()`` has not seen.
    var isQuiet: Bool {
        let counts = counts.load(ordering: .relaxed)
        return Self.load(counts) == 0 && UInt32(counts >> 32) == seen.load(ordering: .relaxed)
    }

    private static func load(_ counts: UInt64) -> Int { Int(counts & 0xFFFF_FFFF) }
    /// One request more, both now and in all.
    private static let start: UInt64 = 1 << 32 | 1

    /// Takes one of `limit` places; `false` when all are taken.
    func acquire(limit: Int) -> Bool {
        var current = counts.load(ordering: .relaxed)
        while Self.load(current) < limit {
            let (exchanged, original) = counts.weakCompareExchange(
                expected: current,
                desired: current &+ Self.start,
                ordering: .sequentiallyConsistent
            )
            if exchanged { return true }
            current = original
        }
        return false
    }

    /// Gives a place back and says whether it was the last one of an endpoint that has left the table.
    ///
    /// Sequentially consistent together with ``leave()`` and ``isBusy``: either this sees that it has left, or whoever
    /// made it leave sees that it isn't busy.
    func release() -> Bool {
        let remaining = counts.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
        return Self.load(remaining) == 0 && left.load(ordering: .sequentiallyConsistent)
    }

    /// Whether requests are assigned to it.
    var isBusy: Bool { Self.load(counts.load(ordering: .sequentiallyConsistent)) > 0 }
    /// Marks that it is in no table.
    func leave() { left.store(true, ordering: .sequentiallyConsistent) }
    /// Marks that it is in the table again.
    func enter() { left.store(false, ordering: .sequentiallyConsistent) }
    /// Whether it is in no table.
    var hasLeft: Bool { left.load(ordering: .sequentiallyConsistent) }
}
