/// Puts the installation's rules into the kernel.
struct Firewall: Sendable {
    let nft: Program
    var rules: FirewallRules

    /// Makes the table anew with the policies of `slots`; connections that are open stay open.
    func replace(slots: some Collection<NetworkSlot>) async throws(DeployerError) {
        try await load(rules.replacement(slots: slots), "set up the firewall")
    }

    /// Sets the policies of `slots`.
    func setPolicies(slots: some Collection<NetworkSlot>) async throws(DeployerError) {
        try await load(rules.policies(slots: slots), "set the firewall's policies")
    }

    /// Removes the table of `installation`; turns forwarding off again when it was the last Kiln's and Kiln had turned it on.
    static func remove(_ nft: Program, rules: FirewallRules) async {
        _ = try? await nft.run(["-f", "-"], input: rules.removal)
        guard let tables = try? await nft.run(["list", "tables"]), tables.succeeded else { return }
        if !tables.output.contains("table inet kiln_") { Forwarding.restore() }
    }

    private func load(_ text: String, _ action: String) async throws(DeployerError) {
        try await nft.check(action, ["-f", "-"], input: text, code: .network)
    }
}
