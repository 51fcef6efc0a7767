/// Puts the installation's rules into the kernel.
struct Firewall: Sendable {
    let nft: Program
    var rules: FirewallRules

    /// Makes the table anew with the policies of `slots`, and lets the host forward; connections that are open stay open.
    mutating func establish(slots: [NetworkSlot]) async throws(DeployerError) {
        var rules = rules
        try await Forwarding.exclusively { () async throws(DeployerError) in
            rules.unrouted = try Forwarding.enable()
            try await load(rules.replacement(slots: slots), "set up the firewall")
        }
        self.rules = rules
    }

    /// Chains of others that keep instances from the network, see ``ForeignFirewall``.
    func obstacles() async -> [String] {
        guard let result = try? await nft.run(["list", "chains"]), result.succeeded else { return [] }
        return ForeignFirewall.droppingForwards(result.output)
    }

    /// Sets the policies of `slots`.
    func setPolicies(slots: some Collection<NetworkSlot>) async throws(DeployerError) {
        try await load(rules.policies(slots: slots), "set the firewall's policies")
    }

    /// Removes the table; turns forwarding off again when it was the last Kiln's and Kiln had turned it on.
    func remove() async throws(DeployerError) {
        try await Forwarding.exclusively { () async throws(DeployerError) in
            try await load(rules.removal, "remove the firewall's table")
            let tables = try await nft.check("list the firewall's tables", ["list", "tables"], code: .network)
            if !tables.contains("table inet kiln_") { Forwarding.restore() }
        }
    }

    private func load(_ text: String, _ action: String) async throws(DeployerError) {
        try await nft.check(action, ["-f", "-"], input: text, code: .network)
    }
}
