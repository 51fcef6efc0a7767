import NIOCore
import Synchronization

/// What the connections of one resolution have done so far, for its limits and its errors.
final class ConnectionLedger: Sendable {
    /// Why a host could not be connected to.
    enum Failure: Sendable, Hashable {
        /// It may not be.
        case refused(String)
        /// It does not exist.
        case unknown(String)
        /// It does not answer.
        case unreachable(String)
    }

    /// The resolution has received all that it may.
    struct Exhausted: Error {}

    private struct State {
        var received = 0
        var open = 0
        var lacksConnections = false
        var failures: [String: Failure] = [:]
        var channels: [Int: any Channel] = [:]
        var closed: Set<Int> = []
    }

    private let maximumReceived: Int
    private let maximumOpen: Int
    private let state = Mutex(State())

    /// A ledger with the limits of `settings`.
    init(_ settings: DependencySettings) {
        maximumReceived = settings.received
        maximumOpen = settings.connections
    }

    /// Counts `bytes` as received; throws when that is more than all that may be.
    func receive(_ bytes: Int) throws(Exhausted) {
        let fits = state.withLock { state in
            state.received += bytes
            return state.received <= maximumReceived
        }
        guard fits else { throw Exhausted() }
    }

    /// Whether more was to be received than may be.
    var isExhausted: Bool { state.withLock { $0.received > maximumReceived } }

    /// Counts a new connection; `false` when there are too many at a time or nothing more may be received.
    func enter() -> Bool {
        state.withLock { state in
            guard state.received <= maximumReceived else { return false }
            guard state.open < maximumOpen else {
                state.lacksConnections = true
                return false
            }
            state.open += 1
            return true
        }
    }

    /// Whether a connection was refused because there were too many at a time.
    var lacksConnections: Bool { state.withLock { $0.lacksConnections } }

    /// Counts a connection as closed.
    func leave() { state.withLock { $0.open -= 1 } }

    /// Takes the open connection `id`; one that is not needed any more is closed.
    func opened(_ id: Int, _ channel: any Channel) {
        let isWanted = state.withLock { state in
            guard !state.closed.contains(id) else { return false }
            state.channels[id] = channel
            return true
        }
        if !isWanted { channel.close(promise: nil) }
    }

    /// Closes the connection `id`, which is not needed any more, now or when it is open.
    func close(_ id: Int) {
        let channel = state.withLock { state in
            state.closed.insert(id)
            return state.channels.removeValue(forKey: id)
        }
        channel?.close(promise: nil)
    }

    /// Remembers why `host` could not be connected to.
    func note(_ failure: Failure, host: String, port: Int) {
        state.withLock { $0.failures[Self.key(host, port)] = failure }
    }

    /// Why `host` could not be connected to, if it could not.
    func failure(host: String, port: Int) -> Failure? { state.withLock { $0.failures[Self.key(host, port)] } }

    private static func key(_ host: String, _ port: Int) -> String { HostRule(host: host, port: port).description }
}
