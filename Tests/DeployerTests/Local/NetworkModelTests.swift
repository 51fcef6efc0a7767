import Contract
import Testing

@testable import Deployer

@Suite struct NetworkModelTests {
    private let pool = try? AddressPool(IPv4Range(base: 10 << 24 | 192 << 16, prefixLength: 20))

    @Test func `each slot has a pair of addresses of the pool, after the name server's`() throws {
        let pool = try #require(pool)
        #expect(pool.nameServer == "10.192.0.1")
        #expect(pool.hostAddress(1) == "10.192.0.2" && pool.instanceAddress(1) == "10.192.0.3")
        #expect(pool.lastSlot == 2047)
        #expect(pool.instanceAddress(pool.lastSlot) == "10.192.15.255")
        #expect(try AddressPool(IPv4Range(base: 10 << 24, prefixLength: 12)).lastSlot == 4095)
    }

    @Test(arguments: [0, 8, 11, 29, 32]) func `a pool of a useless size is refused`(length: Int) {
        #expect(throws: DeployerError.self) { try AddressPool(IPv4Range(base: 0, prefixLength: length)) }
    }

    @Test func `a pool is chosen by the installation's name, around what the host has routes to`() throws {
        let free = try AddressPool.choose(installation: "000001", taken: [])
        #expect(free.range.description == "10.192.16.0/20")
        let taken = try #require(IPv4Range("10.192.0.0/11"))
        #expect(try AddressPool.choose(installation: "000001", taken: [taken]).range.description == "10.224.0.0/20")
        let everything = try #require(IPv4Range("10.0.0.0/8"))
        #expect(throws: DeployerError.self) { try AddressPool.choose(installation: "000001", taken: [everything]) }
    }

    @Test func `the host's routes are read from the kernel's table`() {
        let routes = HostRoutes(
            """
            Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
            wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
            eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
            eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
            broken line
            """)
        #expect(routes.uplink == "eth0")
        #expect(routes.destinations.map(\.description) == ["192.0.2.0/24"])
    }

    @Test func `names carry the installation, fit a device's name, and are recognised again`() {
        let names = NetworkSlot.Names(installation: "ab12cd")
        #expect(names.device(10) == "kilnab12cd00a" && names.device(4095).utf8.count <= 15)
        #expect(names.namespace(10) == "kiln-ab12cd-00a")
        #expect(names.number(in: "kilnab12cd00a") == 10 && names.number(in: "kiln-ab12cd-fff") == 4095)
        for foreign in ["kilnab12ce00a", "kilnab12cd", "kilnab12cd00a1", "eth0", "kilnab12cdxyz"] {
            #expect(names.number(in: foreign) == nil)
        }
    }

    @Test func `policies are rewritten whole, overlapping ranges once`() throws {
        let rules = FirewallRules(installation: "ab12cd", pool: try #require(pool), nameServerPort: 5353)
        let ranges = ["10.1.0.0/16", "10.1.2.0/24", "203.0.113.7/32"].compactMap { IPv4Range($0) }
        let text = rules.policies(slots: [
            NetworkSlot(number: 2, policy: .ranges(ranges)), NetworkSlot(number: 1, policy: .internet),
            NetworkSlot(number: 3, policy: .none),
        ])
        #expect(
            text == """
                flush map inet kiln_ab12cd instances
                flush set inet kiln_ab12cd allowed
                add element inet kiln_ab12cd instances { "kilnab12cd001" : goto internet, "kilnab12cd002" : goto ranges }
                add element inet kiln_ab12cd allowed { "kilnab12cd002" . 10.1.0.0/16, "kilnab12cd002" . 203.0.113.7/32 }

                """)
        #expect(rules.policies(slots: []).split(separator: "\n").count == 2)
    }

    @Test func `another firewall that drops forwarded packets is noticed`() {
        let listing = """
            table ip filter {
            \tchain FORWARD {
            \t\ttype filter hook forward priority filter; policy drop;
            \t}
            \tchain INPUT {
            \t\ttype filter hook input priority filter; policy drop;
            \t}
            }
            table inet kiln_ab12cd {
            \tchain forward {
            \t\ttype filter hook forward priority filter - 10; policy accept;
            \t}
            }
            """
        #expect(ForeignFirewall.droppingForwards(listing) == ["FORWARD of table ip filter"])
    }

    @Test func `the table keeps apart only what was there when forwarding was turned on`() throws {
        var rules = FirewallRules(installation: "ab12cd", pool: try #require(pool), nameServerPort: 5353)
        #expect(!rules.replacement(slots: []).contains("eth0"))
        rules.unrouted = ["eth0", "eth1"]
        #expect(rules.replacement(slots: []).contains(#"iifname { "eth0", "eth1" } oifname { "eth0", "eth1" } drop"#))
        for range in SpecialRanges.neverReachable { #expect(rules.replacement(slots: []).contains("\(range)")) }
    }
}
