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
    /// Requests assigned to it and not finished, dialling included.
    private let outstanding = Atomic<Int>(0)
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
    var load: Int { outstanding.load(ordering: .relaxed) }

    /// Takes one of `limit` places; `false` when all are taken.
    func acquire(limit: Int) -> Bool {
        var current = outstanding.load(ordering: .relaxed)
        while current < limit {
            let (exchanged, original) = outstanding.weakCompareExchange(
                expected: current,
                desired: current + 1,
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
        let remaining = outstanding.subtract(1, ordering: .sequentiallyConsistent).newValue
        return remaining == 0 && left.load(ordering: .sequentiallyConsistent)
    }

    /// Whether requests are assigned to it.
    var isBusy: Bool { outstanding.load(ordering: .sequentiallyConsistent) > 0 }
    /// Marks that it is in no table.
    func leave() { left.store(true, ordering: .sequentiallyConsistent) }
    /// Marks that it is in the table again.
    func enter() { left.store(false, ordering: .sequentiallyConsistent) }
    /// Whether it is in no table.
    var hasLeft: Bool { left.load(ordering: .sequentiallyConsistent) }
}
