import Contract
import Kubernetes

/// Who leads: one candidate's view of a Lease. A value without I/O and clock; ``next(now:wall:)`` says what to do, ``heard(_:now:)``
/// is told what came of it.
///
/// Nobody compares clocks: a follower waits for the lease's duration after it last saw the lease change, by its own clock that only
/// rises, and the leader stops leading well before that, counted from before it sent its last renewal.
struct Election: Sendable {
    /// The times that make hand-over quick and overlap impossible. A leader that dies is followed after at most `duration` and two
    /// intervals, some 12 s.
    struct Terms: Sendable, Hashable {
        /// How long a lease holds without being renewed.
        var duration: Duration = .seconds(9)
        /// After how long without a renewal a leader gives up. The rest of `duration` is for its work to stop.
        var deadline: Duration = .seconds(6)
        /// How often a leader renews and a follower looks.
        var interval: Duration = .milliseconds(1500)
    }

    /// What to do.
    enum Action: Sendable, Hashable {
        /// Ask again what to do after this time.
        case wait(Duration)
        /// Read the lease.
        case read
        /// Make the lease.
        case create(Lease)
        /// Replace the lease at the version it carries.
        case replace(Lease)
    }

    /// What came of it.
    enum Event: Sendable {
        /// There is no lease.
        case absent
        /// The lease as it is.
        case found(Lease)
        /// The lease was written.
        case written(Lease)
        /// Somebody else wrote it first.
        case refused
        /// The server was not reached, or failed.
        case failed
    }

    /// The annotation of a lease with the address at which its holder is asked.
    static let addressAnnotation = "kiln.dev/address"

    let identity: String
    let address: String?
    let namespace: String
    let name: String
    let terms: Terms

    private var known: Lease?
    private var seen: Duration = .zero
    private var renewed: Duration?
    private var sent: Duration = .zero
    private var idleSince: Duration?
    private var mustRead = true

    /// The candidate `identity`, who is asked at `address`, for the lease `name`.
    init(identity: String, address: String? = nil, namespace: String, name: String, terms: Terms = Terms()) {
        self.identity = identity
        self.address = address
        self.namespace = namespace
        self.name = name
        self.terms = terms
    }

    /// Whether this candidate leads at `now`.
    func leads(at now: Duration) -> Bool { renewed.map { now - $0 < terms.deadline } ?? false }

    /// Who held the lease when it was last read.
    var holder: String? { known?.spec?.holderIdentity.flatMap { $0.isEmpty ? nil : $0 } }

    /// Where the holder is asked, when it says so.
    var holderAddress: String? { holder == nil ? nil : known?.metadata.annotations?[Self.addressAnnotation] }

    /// What to do at `now`, on a clock that only rises, while the wall clock shows `wall`.
    mutating func next(now: Duration, wall: Timestamp) -> Action {
        if renewed != nil, !leads(at: now) { renewed = nil }
        if let idleSince {
            let end = idleSince + terms.interval
            // A leader looks up when its time is over, too.
            let limit = renewed.map { min(end, $0 + terms.deadline) } ?? end
            if now < limit { return .wait(limit - now) }
            self.idleSince = nil
        }
        sent = now
        if mustRead { return .read }
        var lease = known ?? Lease(name: name, namespace: namespace, spec: Lease.Spec())
        lease.spec = claim(known?.spec, wall)
        if let address { lease.metadata.annotations = [Self.addressAnnotation: address] }
        return known == nil ? .create(lease) : .replace(lease)
    }

    /// Gives the lease up, so that the next one need not wait; `nil` when this candidate does not hold it.
    mutating func release(now: Duration, wall: Timestamp) -> Lease? {
        guard leads(at: now), var lease = known else { return nil }
        renewed = nil
        lease.spec?.holderIdentity = ""
        lease.spec?.leaseDurationSeconds = 1
        lease.spec?.renewTime = MicroTime(wall)
        return lease
    }

    /// What came of the last action.
    mutating func heard(_ event: Event, now: Duration) {
        switch event {
        case .absent:
            known = nil
            renewed = nil
            mustRead = false
        case .found(let lease): found(lease, now: now)
        case .written(let lease):
            learn(lease, now: now)
            renewed = sent
            mustRead = false
            idleSince = now
        case .refused:
            // Also when the answer to a write of one's own was lost: what is there tells.
            mustRead = true
        case .failed:
            mustRead = true
            idleSince = now
        }
    }

    private mutating func found(_ lease: Lease, now: Duration) {
        learn(lease, now: now)
        let isOwn = holder == identity
        if !isOwn { renewed = nil }
        // A lease of one's own is renewed, whether one has led so far or is a later run of the same name.
        let isFree = holder == nil || isOwn || now - seen >= lifetime(lease)
        mustRead = !isFree
        if !isFree { idleSince = now }
    }

    private mutating func learn(_ lease: Lease, now: Duration) {
        if lease.metadata.uid != known?.metadata.uid
            || lease.metadata.resourceVersion != known?.metadata.resourceVersion
        {
            seen = now
        }
        known = lease
    }

    /// As the holder says it, but not absurdly long.
    private func lifetime(_ lease: Lease) -> Duration {
        .seconds(min(60, max(1, lease.spec?.leaseDurationSeconds ?? 1)))
    }

    private func claim(_ spec: Lease.Spec?, _ wall: Timestamp) -> Lease.Spec {
        var claim = spec ?? Lease.Spec()
        if claim.holderIdentity != identity {
            claim.holderIdentity = identity
            claim.acquireTime = MicroTime(wall)
            claim.leaseTransitions = spec == nil ? 0 : (spec?.leaseTransitions ?? 0) + 1
        }
        claim.leaseDurationSeconds = max(1, Int((terms.duration / .seconds(1)).rounded(.up)))
        claim.renewTime = MicroTime(wall)
        return claim
    }
}
