import Contract

/// The addresses of one installation's instances: a range of which each slot has a pair, one for the host's end of the wire and
/// one for the instance's (RFC 3021). The first pair belongs to Kiln's name server.
struct AddressPool: Sendable, Hashable {
    let range: IPv4Range

    /// A pool over `range`, which needs room for the name server and at least one slot.
    init(_ range: IPv4Range) throws(DeployerError) {
        guard range.prefixLength <= 28, range.prefixLength >= 12 else {
            throw DeployerError(.network, "The address pool \(range) cannot be used: give a range of /12 to /28.")
        }
        self.range = range
    }

    /// Where instances ask for names.
    var nameServer: String { Self.text(range.base + 1) }

    /// The largest slot number; the smallest is 1. Three hexadecimal digits have to be enough for it.
    var lastSlot: Int { min(4095, (1 << (31 - range.prefixLength)) - 1) }

    /// The host's address in the pair of slot `number`.
    func hostAddress(_ number: Int) -> String { Self.text(range.base + UInt32(2 * number)) }

    /// The instance's address in the pair of slot `number`.
    func instanceAddress(_ number: Int) -> String { Self.text(range.base + UInt32(2 * number) + 1) }

    /// Chooses a /20 of 10.192.0.0/10 that overlaps none of `taken`, starting where `installation` points, so that two
    /// installations seldom try the same one.
    static func choose(installation: String, taken: [IPv4Range]) throws(DeployerError) -> AddressPool {
        let count: UInt32 = 1 << 10
        let start = (UInt32(installation, radix: 16) ?? 0) % count
        for step in 0..<count {
            let range = IPv4Range(base: 10 << 24 | 192 << 16 | ((start + step) % count) << 12, prefixLength: 20)
            if !taken.contains(where: range.overlaps) { return try AddressPool(range) }
        }
        throw DeployerError(
            .network,
            "The host's routes leave no /20 of 10.192.0.0/10 free. Give a free range with the address pool setting.")
    }

    private static func text(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }
}
