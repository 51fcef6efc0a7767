/// IPv4 ranges with a special meaning (IANA special-purpose registry, RFC 6890).
package enum SpecialRanges {
    /// Never reachable from a function: this host, link-local with the cloud metadata address, multicast, reserved.
    package static let neverReachable = ranges([
        "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
    ])

    /// Private networks (RFC 1918), carrier-grade NAT (RFC 6598), IETF assignments and benchmarking (RFC 2544).
    package static let `private` = ranges([
        "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",
    ])

    private static func ranges(_ texts: [String]) -> [IPv4Range] { texts.compactMap { IPv4Range($0) } }
}
