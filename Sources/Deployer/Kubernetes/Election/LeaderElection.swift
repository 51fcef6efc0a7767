import Contract
import Kubernetes
import Logging
import Transfer

/// Runs work on the one of several candidates that holds a Lease.
package struct LeaderElection: Sendable {
    private let api: APIClient
    private let terms: Election.Terms
    private let identity: String
    private let address: String?
    private let name: String
    private let namespace: String

    /// The candidate `identity` (a Pod's name), who is asked at `address` while it leads, for the lease `lease` in `namespace`. Throws
    /// when the HTTP client does not start.
    package init(
        _ connection: ClusterConnection, lease: String, namespace: String, identity: String, address: String?,
        logger: Logger
    ) throws(TransferError) {
        var connection = connection
        connection.namespace = namespace
        try self.init(
            connection, name: lease, identity: identity, address: address, terms: Election.Terms(), logger: logger)
    }

    init(
        _ connection: ClusterConnection, name: String, identity: String, address: String? = nil, terms: Election.Terms,
        logger: Logger
    ) throws(TransferError) {
        // A client of its own: other calls must not make renewals wait, and one that hangs must not outlast the lease.
        var configuration = APIClient.Configuration()
        configuration.retry = .never
        configuration.callTimeout = terms.interval
        api = try APIClient(connection, configuration, logger: logger)
        self.terms = terms
        self.identity = identity
        self.address = address
        self.name = name
        namespace = connection.namespace
    }

    /// Runs `work` whenever and as long as this candidate leads, until this task is cancelled: then the lease is released. When the
    /// lease is lost the task of `work` is cancelled, and it has the rest of the lease's duration (3 s) to stop. `holds` is told where the
    /// holder is asked whenever the lease was looked at; `nil` when nobody holds it or that is not known.
    package func run(
        holds: @Sendable (_ address: String?) -> Void = { _ in }, _ work: @escaping @Sendable () async -> Void
    ) async {
        let start = ContinuousClock.now
        var election = Election(
            identity: identity, address: address, namespace: namespace, name: name, terms: terms)
        // Tasks of their own, because the lease is to be renewed while they run and while they stop; none outlives this call.
        var term: Task<Void, Never>?
        var isLeading = false
        while !Task.isCancelled {
            let now = ContinuousClock.now - start
            let action = election.next(now: now, wall: .now())
            if election.leads(at: now) != isLeading {
                isLeading.toggle()
                api.logger.notice(isLeading ? "leading" : "not leading any more", metadata: ["lease": "\(name)"])
                if isLeading {
                    let earlier = term
                    term = Task {
                        await earlier?.value
                        if !Task.isCancelled { await work() }
                    }
                } else {
                    term?.cancel()
                }
            }
            if case .wait(let pause) = action {
                _ = try? await Task.sleep(for: pause)
            } else {
                election.heard(await perform(action), now: ContinuousClock.now - start)
                holds(election.holderAddress)
            }
        }
        term?.cancel()
        await term?.value
        if let lease = election.release(now: ContinuousClock.now - start, wall: .now()) {
            // Not in this task: it is cancelled, and a request of it would be too.
            _ = await Task { try? await api.replace(lease) }.value
        }
    }

    private func perform(_ action: Election.Action) async -> Election.Event {
        do throws(APIError) {
            switch action {
            case .wait: return .failed
            case .read: return try await api.get(Lease.self, name, in: namespace).map { .found($0) } ?? .absent
            case .create(let lease): return .written(try await api.create(lease))
            case .replace(let lease): return .written(try await api.replace(lease))
            }
        } catch {
            if error.code == .conflict || error.code == .alreadyExists || error.code == .notFound { return .refused }
            api.logger.debug("the lease was not reached", metadata: ["error": "\(error)"])
            return .failed
        }
    }
}
