import Contract
import Glibc
import Transfer

/// Where the resolution of imports may connect to: public addresses, and what the operator names.
///
/// A function's source decides which hosts are asked for, and the connections are made from Kiln's own place in the
/// network: without this, an import could read what only this machine can reach.
package struct DialPolicy: Sendable {
    /// Hosts that may have any address: the registries, and `--allow-import`.
    package var allowed: [HostRule]
    /// Hosts that are refused: `--deny-import`. With `*`, every host that is not allowed.
    package var denied: [HostRule]
    private let own: Set<PeerAddress>

    /// A policy; this machine's own addresses are read now.
    package init(allowed: [HostRule] = [], denied: [HostRule] = []) {
        self.allowed = allowed
        self.denied = denied
        own = Self.interfaceAddresses()
    }

    /// What may be dialled for a host.
    package enum Verdict: Sendable, Hashable {
        /// Any address.
        case anywhere
        /// Public addresses.
        case publicOnly
        /// Nothing, for this reason: a sentence.
        case refused(String)
    }

    /// What may be dialled for `host` and `port`.
    package func verdict(_ host: String, _ port: Int) -> Verdict {
        let refusal = Verdict.refused(
            "The operator of this platform does not allow imports from \(host) (--deny-import).")
        if denied.contains(where: { $0.host != "*" && $0.matches(host, port) }) { return refusal }
        if allowed.contains(where: { $0.matches(host, port) }) { return .anywhere }
        return denied.contains { $0.matches(host, port) } ? refusal : .publicOnly
    }

    /// Whether `address` may be dialled under `verdict`.
    package func permits(_ address: PeerAddress, _ verdict: Verdict) -> Bool {
        switch verdict {
        case .anywhere: true
        case .publicOnly: isPublic(address)
        case .refused: false
        }
    }

    /// Whether an address belongs to the public internet, and not to this machine.
    package func isPublic(_ address: PeerAddress) -> Bool {
        guard !own.contains(address) else { return false }
        switch address {
        case .ipv4(let bytes): return Self.isPublicIPv4(bytes)
        case .ipv6(let bytes):
            // Global unicast is 2000::/3 (RFC 4291, 2.4). In it, 2001::/23 is for protocols, with Teredo; 2001:db8::/32 and
            // 3fff::/20 are for documents; 2002::/16 (6to4) holds an IPv4 address (IANA special-purpose registry).
            guard bytes.count == 16, bytes[0] & 0xe0 == 0x20 else {
                // NAT64 (RFC 6052): an IPv4 address behind 64:ff9b::/96.
                let isTranslated = bytes.prefix(12) == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]
                return isTranslated && Self.isPublicIPv4(Array(bytes.suffix(4)))
            }
            switch (bytes[0], bytes[1]) {
            case (0x20, 0x01): return bytes[2] >= 2 && !(bytes[2] == 0x0d && bytes[3] == 0xb8)
            case (0x20, 0x02): return false
            case (0x3f, 0xff): return bytes[2] & 0xf0 != 0
            default: return true
            }
        }
    }

    private static func isPublicIPv4(_ bytes: [UInt8]) -> Bool {
        guard bytes.count == 4 else { return false }
        let single = IPv4Range(base: bytes.reduce(0) { $0 << 8 | UInt32($1) }, prefixLength: 32)
        return !(SpecialRanges.neverReachable + SpecialRanges.private).contains { $0.overlaps(single) }
    }

    private static func interfaceAddresses() -> Set<PeerAddress> {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return [] }
        defer { freeifaddrs(list) }
        var found: Set<PeerAddress> = []
        var next = list
        while let entry = next {
            if let address = entry.pointee.ifa_addr.flatMap({ PeerAddress($0) }) { found.insert(address) }
            next = entry.pointee.ifa_next
        }
        return found
    }
}
