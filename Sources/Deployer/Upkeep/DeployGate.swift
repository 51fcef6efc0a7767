import Contract

/// Lets deploys in, and keeps them and garbage collection apart.
///
/// From its ticket until it is recorded a deploy may have an image in the registry that no revision refers to yet. Garbage collection
/// leaves functions with such a deploy alone, and while the registry cannot be written it holds new deploys back.
actor DeployGate {
    /// How long a ticket counts as used when nothing more is heard of it.
    static let lifetime = Duration.seconds(600)
    /// The longest that a deploy waits for a collection to end.
    static let patience = Duration.seconds(60)

    private var closed = false
    private var tickets: [FunctionName: [Int: ContinuousClock.Instant]] = [:]

    /// Functions with a deploy under way.
    var underWay: Set<FunctionName> {
        let now = ContinuousClock.now
        for (name, issued) in tickets {
            let young = issued.filter { now - $0.value < Self.lifetime }
            tickets[name] = young.isEmpty ? nil : young
        }
        return Set(tickets.keys)
    }

    /// Waits until deploys are let in; throws a 503 after ``patience``.
    func pass() async throws {
        let deadline = ContinuousClock.now + Self.patience
        while closed {
            guard .now < deadline else {
                throw Problem(
                    "collecting", 503, "Garbage is being collected",
                    "The registry takes no images while garbage is collected; this takes a moment. Deploy again.",
                    retryAfter: 5)
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// A deploy of `name` is under way.
    func begin(_ name: FunctionName, _ ticket: Int) { tickets[name, default: [:]][ticket] = .now }

    /// Lets a finished build in; `false` when its ticket was not counted any more, and its image may have been collected.
    func readmit(_ name: FunctionName, _ ticket: Int) async throws -> Bool {
        if tickets[name]?[ticket] != nil {
            begin(name, ticket)
            return true
        }
        try await pass()
        begin(name, ticket)
        return false
    }

    /// The deploy is recorded, or has failed.
    func end(_ name: FunctionName, _ ticket: Int) {
        tickets[name]?[ticket] = nil
        if tickets[name]?.isEmpty == true { tickets[name] = nil }
    }

    /// Lets no new deploy in and waits for those under way, at most `patience`.
    func close(waiting patience: Duration) async {
        closed = true
        let deadline = ContinuousClock.now + patience
        while !underWay.isEmpty, .now < deadline { try? await Task.sleep(for: .milliseconds(20)) }
    }

    /// Lets deploys in again.
    func open() { closed = false }
}
