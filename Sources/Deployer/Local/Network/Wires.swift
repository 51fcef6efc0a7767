/// Makes and removes slots' namespaces and devices with `ip`, several in one call.
struct Wires: Sendable {
    let program: Program
    let pool: AddressPool
    let names: NetworkSlot.Names
    let mtu: Int

    /// The label of the name server's address on `lo`.
    private var label: String { "lo:kiln\(names.installation)" }

    /// Makes the slots `numbers`; when one fails none of them is left.
    func make(_ numbers: [Int]) async throws(DeployerError) {
        do {
            try await batch(numbers.flatMap(hostCommands), "make network slots")
            for number in numbers {
                // No link-local address on the host's end either: nothing but IPv4 passes.
                try? DiskFile.set("/proc/sys/net/ipv6/conf/\(names.device(number))/disable_ipv6", to: "1")
                try await batch(
                    [
                        "link set lo up", "addr add \(pool.instanceAddress(number))/31 dev eth0", "link set eth0 up",
                        "route add default via \(pool.hostAddress(number))",
                    ], "set up network slot \(number)", namespace: names.namespace(number))
            }
            try await batch(numbers.map { "link set \(names.device($0)) up" }, "turn on network slots")
        } catch {
            await remove(numbers)
            throw error
        }
    }

    /// Removes what there is of the slots `numbers`.
    func remove(_ numbers: [Int]) async {
        guard !numbers.isEmpty else { return }
        let commands = numbers.flatMap { ["link del \(names.device($0))", "netns del \(names.namespace($0))"] }
        _ = try? await program.run(["-force", "-batch", "-"], input: commands.joined(separator: "\n") + "\n")
    }

    /// The numbers of all slots of which there is a device or a namespace.
    func existing() -> Set<Int> {
        let found = DiskFile.names(in: "/sys/class/net") + DiskFile.names(in: NetworkSlot.Names.namespaces)
        return Set(found.compactMap(names.number(in:)))
    }

    /// Gives the host the name server's address.
    func addNameServer() async throws(DeployerError) {
        try await program.check(
            "add the name server's address", ["addr", "replace", "\(pool.nameServer)/32", "dev", "lo", "label", label],
            code: .network)
    }

    /// Takes the name server's address away, and any other that the installation left on `lo`.
    func removeNameServer() async {
        _ = try? await program.run(["addr", "flush", "dev", "lo", "label", label])
    }

    private func hostCommands(_ number: Int) -> [String] {
        let device = names.device(number)
        let namespace = names.namespace(number)
        return [
            "netns add \(namespace)",
            "link add \(device) mtu \(mtu) type veth peer name eth0 mtu \(mtu) netns \(namespace)",
            "link set \(device) addrgenmode none",
            "addr add \(pool.hostAddress(number))/31 dev \(device)",
        ]
    }

    private func batch(_ commands: [String], _ action: String, namespace: String? = nil) async throws(DeployerError) {
        let arguments = (namespace.map { ["-netns", $0] } ?? []) + ["-batch", "-"]
        try await program.check(action, arguments, input: commands.joined(separator: "\n") + "\n", code: .network)
    }
}
