import Contract

/// The nftables rules of one installation, as text for `nft -f -`: each text is one transaction.
///
/// Table `inet kiln_<installation>`. Whatever comes from an instance's wire is refused unless a rule lets it pass: to the host only DNS to Kiln's
/// forwarder, elsewhere what the instance's policy allows and never a special range or another instance. Each
/// packet is judged by the policy of the wire it comes from, also those of connections that are open already.
struct FirewallRules: Sendable {
    let installation: String
    let pool: AddressPool
    /// The port that Kiln's DNS forwarder listens on.
    var nameServerPort: Int
    /// Devices between which the host must not start to route only because Kiln turned forwarding on.
    var unrouted: [String] = []
    /// Most open connections of one instance, and most new ones in a second: all instances and the host share one connection table,
    /// which keeps a closed one for two minutes (`nf_conntrack_tcp_timeout_time_wait`).
    var connections = 2048
    var newConnections = 500

    private var names: NetworkSlot.Names { .init(installation: installation) }

    /// The table's name, with its family.
    var table: String { "inet kiln_\(installation)" }

    /// Replaces the whole table.
    func replacement(slots: some Collection<NetworkSlot>) -> String {
        """
        table \(table)
        delete table \(table)
        table \(table) {
            set allowed { type ifname . ipv4_addr; flags interval; }
            set connections { type ifname; size 4096; flags dynamic; }
            set rates { type ifname; size 4096; flags dynamic; }
            map instances { type ifname : verdict; }
            # With an answer, so that a function sees an error at once. The kernel limits how many ICMP messages it sends, but not resets.
            chain refuse {
                meta l4proto tcp reject with tcp reset
                reject with icmpx admin-prohibited
            }
            chain to_name_server {
                type nat hook prerouting priority dstnat; policy accept;
                iifname "\(wires)" ip daddr \(pool.nameServer) udp dport 53 dnat ip to \(nameServer)
                iifname "\(wires)" ip daddr \(pool.nameServer) tcp dport 53 dnat ip to \(nameServer)
            }
            chain source_address {
                type nat hook postrouting priority srcnat; policy accept;
                ip saddr \(pool.range) oifname != "\(wires)" masquerade
            }
            chain input {
                type filter hook input priority filter - 10; policy accept;
                iifname "\(wires)" goto to_host
                iifname != "lo" ip daddr \(pool.range) drop
            }
            chain to_host {
                meta nfproto != ipv4 drop
                udp dport \(nameServerPort) ct original proto-dst 53 accept
                tcp dport \(nameServerPort) ct original proto-dst 53 accept
                goto refuse
            }
            chain forward {
                type filter hook forward priority filter - 10; policy accept;
                oifname "\(wires)" ct state established,related accept
                oifname "\(wires)" drop
                iifname "\(wires)" goto from_instance
                ip daddr \(pool.range) drop\(guardRule)
            }
            chain from_instance {
                meta nfproto != ipv4 drop
                ip saddr != \(pool.range) drop
                ct state invalid drop
                ip daddr { \(list(SpecialRanges.neverReachable + [pool.range])) } goto refuse
                ct state new add @rates { iifname limit rate over \(newConnections)/second burst \(connections) packets } drop
                ct state new add @connections { iifname ct count over \(connections) } drop
                iifname vmap @instances
                goto refuse
            }
            chain internet {
                ip daddr { \(list(SpecialRanges.private)) } goto refuse
                accept
            }
            chain ranges {
                iifname . ip daddr @allowed accept
                goto refuse
            }
        }
        \(elements(slots: slots, flush: false))
        """
    }

    /// Replaces the slots' policies.
    func policies(slots: some Collection<NetworkSlot>) -> String { elements(slots: slots, flush: true) }

    /// Removes the table.
    var removal: String { "table \(table)\ndelete table \(table)\n" }

    private var wires: String { names.devicePrefix + "*" }
    private var nameServer: String { "\(pool.nameServer):\(nameServerPort)" }

    private var guardRule: String {
        guard !unrouted.isEmpty else { return "" }
        let devices = unrouted.map { "\"\($0)\"" }.joined(separator: ", ")
        return "\n        iifname { \(devices) } oifname { \(devices) } drop"
    }

    private func list(_ ranges: [IPv4Range]) -> String {
        Self.disjoint(ranges).map(\.description).joined(separator: ", ")
    }

    private func elements(slots: some Collection<NetworkSlot>, flush: Bool) -> String {
        var lines = flush ? ["flush map \(table) instances", "flush set \(table) allowed"] : []
        var verdicts: [String] = []
        var allowed: [String] = []
        for slot in slots.sorted(by: { $0.number < $1.number }) {
            let device = "\"\(names.device(slot.number))\""
            switch slot.policy {
            case .none: continue
            case .internet: verdicts.append("\(device) : goto internet")
            case .ranges(let ranges):
                verdicts.append("\(device) : goto ranges")
                allowed += Self.disjoint(ranges).map { "\(device) . \($0)" }
            }
        }
        if !verdicts.isEmpty { lines.append("add element \(table) instances { \(verdicts.joined(separator: ", ")) }") }
        if !allowed.isEmpty { lines.append("add element \(table) allowed { \(allowed.joined(separator: ", ")) }") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// `ranges` without those that lie inside another: a set refuses intervals that overlap.
    static func disjoint(_ ranges: [IPv4Range]) -> [IPv4Range] {
        var kept: [IPv4Range] = []
        for range in ranges.sorted(by: { ($0.prefixLength, $0.base) < ($1.prefixLength, $1.base) })
        where !kept.contains(where: range.overlaps) {
            kept.append(range)
        }
        return kept.sorted { $0.base < $1.base }
    }
}
