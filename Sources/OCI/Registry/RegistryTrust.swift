internal import Contract
internal import Transfer

/// Where a registry may send us.
///
/// Anyone can be asked for a base image, and what a registry answers decides where the next request goes: token
/// service, redirect, upload location. None of these may lead from a registry out there into the network in here.
struct RegistryTrust {
    private let endpoint: RegistryEndpoint
    private let registry: WebAddress?

    init(_ endpoint: RegistryEndpoint) {
        self.endpoint = endpoint
        registry = WebAddress(endpoint.url)
    }

    /// The rule for calling `address`: `nil`, any address, for the registry's own host and trusted ones; public
    /// addresses for the rest. Throws for http where the registry itself is https.
    func rule(for address: WebAddress) throws(OCIError) -> AddressRule? {
        guard let registry else { throw OCIError(.unsupported, "'\(endpoint.url)' is not the URL of a registry.") }
        guard registry.scheme == "http" || address.scheme == "https" else {
            throw OCIError(
                .locationRefused, "\(endpoint.name) is spoken to over https and points at \(address.host) over http.")
        }
        return address.host == registry.host || endpoint.trustedHosts.contains(address.host) ? nil : .publicOnly
    }

    /// Whether `address` may see the registry's credentials.
    func isRegistry(_ address: WebAddress) -> Bool { registry?.hasSameOrigin(as: address) == true }
}

extension AddressRule {
    /// Only addresses of the public internet.
    static let publicOnly = AddressRule { $0.isPublic }
}

extension PeerAddress {
    /// Whether the address is one of the public internet (RFC 6890).
    var isPublic: Bool {
        switch self {
        case .ipv4(let bytes):
            let address = IPv4Range(base: bytes.reduce(0) { $0 << 8 | UInt32($1) }, prefixLength: 32)
            return !(SpecialRanges.neverReachable + SpecialRanges.private).contains { $0.overlaps(address) }
        case .ipv6(let bytes):
            // Global unicast is 2000::/3 (RFC 4291 §2.4); in it, 6to4 (2002::/16) and Teredo (2001::/32) lead to
            // embedded IPv4 addresses.
            guard bytes[0] & 0xE0 == 0x20 else { return false }
            return !(bytes[0] == 0x20 && bytes[1] == 0x02) && !(bytes.starts(with: [0x20, 0x01, 0, 0]))
        }
    }
}
