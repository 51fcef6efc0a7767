/// How much one instance, and all together, may ask at a time.
struct DNSAdmission: Sendable {
    let perClient: Int
    let overall: Int
    private(set) var total = 0
    private var clients: [String: Int] = [:]

    init(perClient: Int, overall: Int) {
        self.perClient = perClient
        self.overall = overall
    }

    /// Counts one more exchange of `client`; false when it has to be refused.
    mutating func admit(_ client: String) -> Bool {
        guard total < overall, clients[client, default: 0] < perClient else { return false }
        total += 1
        clients[client, default: 0] += 1
        return true
    }

    /// An admitted exchange of `client` is over.
    mutating func finish(_ client: String) {
        guard let count = clients[client] else { return }
        total -= 1
        clients[client] = count > 1 ? count - 1 : nil
    }
}
