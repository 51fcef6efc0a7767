import Contract
import Foundation
import Testing

@testable import Deployer

extension LocalContainerTests {
    /// What an instance reaches, seen from inside, with a namespace that plays the internet.
    @Suite struct NetworkTests {
        @Test
        func `an instance reaches the internet, and nothing private, special, of the host or of another instance`()
            async throws
        {
            try await withWorld { fixture, world, listener, names in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let neighbour = try fixture.workload(
                    "Deno.serve({ port: 9000, onListen() {} }, () => new Response('neighbour'));" + TestImages.hello,
                    name: "neighbour"
                ) { $0.network = .internet }
                let workload = try fixture.workload(TestImages.probe) { $0.network = .internet }
                // The neighbour's first server takes the platform's address; the second listens on its own port.
                try await backend.rollOut(neighbour)
                try await backend.rollOut(workload)
                let slots = try fixture.instances.map { id in
                    let paths = InstancePaths(instances: fixture.configuration.instances, id: id)
                    return try #require(InstanceRecord.read(paths)?.networkSlot)
                }
                let range = try #require(DiskFile.text(fixture.configuration.chosenPool)?.split(separator: "\n").first)
                let pool = try AddressPool(try #require(IPv4Range(String(range))))

                #expect(
                    try await attempts(
                        fixture, workload.id,
                        [(world.publicAddress, 80), ("outside.test", 80), (world.otherPublicAddress, 80)]
                    )
                    .allSatisfy { $0.hasSuffix("connected") })
                #expect(
                    try await fixture.inside(workload.id, "return (await fetch('http://outside.test/')).text()")
                        == "outside")

                var forbidden: [(String, Int)] = world.privateAddresses.map { ($0, 80) }
                forbidden += [
                    ("10.0.0.1", 80), ("172.16.0.1", 80), ("192.168.0.1", 80), ("169.254.169.254", 80),
                    ("private.test", 80),
                ]
                let own = [world.hostAddress, pool.nameServer] + slots.map(pool.hostAddress) + Self.hostAddresses()
                forbidden += own.map { ($0, listener.port) }
                forbidden += own.map { ("::ffff:\($0)", listener.port) }
                forbidden += [
                    "127.0.0.1", "0.0.0.0", "localhost", "::1", "::", "host.test", "2130706433", "0x7f.1",
                    "017700000001",
                ]
                .map { ($0, listener.port) }
                forbidden += slots.map { (pool.instanceAddress($0), 9000) }
                for answer in try await attempts(fixture, workload.id, forbidden) {
                    #expect(!answer.hasSuffix("connected"), "\(answer)")
                }
                #expect(listener.connections == 0)
                #expect(
                    try await fixture.inside(
                        workload.id, "return (await fetch('http://\(world.publicAddress)/redirect')).text()"
                    )
                    .hasPrefix("error"))
                let interfaces = try await fixture.inside(
                    workload.id, "return Deno.networkInterfaces().map(i => i.family + i.address).join()")
                #expect(!interfaces.contains("IPv6"), "\(interfaces)")
                #expect(names.questions.contains("outside.test"))
            }
        }

        @Test func `an instance without a network has none, not even names`() async throws {
            try await withWorld { fixture, world, listener, names in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.probe) { $0.network = .none }
                try await backend.rollOut(workload)
                for answer in try await attempts(
                    fixture, workload.id,
                    [(world.publicAddress, 80), ("outside.test", 80), (world.hostAddress, listener.port)])
                {
                    #expect(!answer.hasSuffix("connected"), "\(answer)")
                }
                #expect(
                    try await fixture.inside(workload.id, "return Deno.networkInterfaces().map(i => i.name).join()")
                        == "lo")
                #expect(names.questions.isEmpty)
            }
        }

        @Test func `an instance with a list of ranges reaches those, names, and nothing else`() async throws {
            try await withWorld { fixture, world, listener, _ in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let allowed = try [world.publicAddress, "10.99.77.0/24", "10.99.0.0/16", "0.0.0.0/32"].map {
                    try #require(IPv4Range($0))
                }
                let workload = try fixture.workload(TestImages.probe) { $0.network = .ranges(allowed) }
                try await backend.rollOut(workload)
                let good = try await attempts(
                    fixture, workload.id,
                    [(world.publicAddress, 80), ("outside.test", 80), (world.privateAddresses[0], 80)])
                #expect(good.allSatisfy { $0.hasSuffix("connected") }, "\(good)")
                for answer in try await attempts(
                    fixture, workload.id,
                    [
                        (world.otherPublicAddress, 80), (world.privateAddresses[1], 80),
                        (world.hostAddress, listener.port),
                    ])
                {
                    #expect(!answer.hasSuffix("connected"), "\(answer)")
                }
                #expect(listener.connections == 0)
            }
        }

        @Test func `what is refused is refused at once, and too many connections of one instance harm no other`()
            async throws
        {
            try await withWorld { fixture, world, _, _ in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let greedy = try fixture.workload(TestImages.probe, name: "greedy") { $0.network = .internet }
                let modest = try fixture.workload(TestImages.probe, name: "modest") { $0.network = .internet }
                try await backend.rollOut(greedy)
                try await backend.rollOut(modest)
                let elapsed = try await ContinuousClock().measure {
                    _ = try await attempts(fixture, modest.id, [("10.0.0.1", 80)])
                }
                #expect(elapsed < .milliseconds(800))
                let opened = try await fixture.inside(
                    greedy.id,
                    """
                    globalThis.open = [];
                    const one = () => new Promise((done) => {
                      setTimeout(done, 2500);
                      Deno.connect({ hostname: "\(world.publicAddress)", port: 80 }).then((c) => { open.push(c); done(); }, done);
                    });
                    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 500 }, one));
                    return open.length;
                    """, within: .seconds(60))
                #expect((1000...2048).contains(Int(opened) ?? 0), "\(opened)")
                #expect(
                    try await attempts(fixture, modest.id, [(world.publicAddress, 80)]).allSatisfy {
                        $0.hasSuffix("connected")
                    })
            }
        }

        @Test func `turning forwarding on makes the host no router between its own networks`() async throws {
            guard DiskFile.text("/proc/sys/net/ipv4/ip_forward")?.first == "0" else { return }
            try await withLocalFixture { fixture in
                try await OutsideWorld.with(fixture.configuration.installation) { world in
                    let other = String(fixture.configuration.installation.reversed())
                    try await OutsideWorld.with(other) { second in
                        func reaches() async throws -> Bool {
                            try await Program("ip", package: "").run([
                                "netns", "exec", "kt-\(other)", TestImages.deno, "eval", "--no-config",
                                "await fetch('http://\(world.publicAddress)/', { signal: AbortSignal.timeout(1000) })",
                            ]).succeeded
                        }
                        guard world.publicAddress != second.publicAddress else { return }
                        #expect(try await !reaches())
                        let backend = try await fixture.backend()
                        try await backend.adopt([])
                        #expect(DiskFile.text("/proc/sys/net/ipv4/ip_forward")?.first == "1")
                        #expect(try await !reaches())
                        await backend.removeEverything()
                        #expect(DiskFile.text("/proc/sys/net/ipv4/ip_forward")?.first == "0")
                    }
                }
            }
        }

        /// `host:port connected` or `host:port <error>`, for each target.
        private func attempts(_ fixture: LocalFixture, _ id: WorkloadID, _ targets: [(String, Int)]) async throws
            -> [String]
        {
            let list = targets.map { "['\($0.0)', \($0.1)]" }.joined(separator: ", ")
            let answer = try await fixture.inside(
                id,
                """
                const attempt = async ([hostname, port]) => {
                  try {
                    const connection = await Promise.race([Deno.connect({ hostname, port }),
                      new Promise((_, no) => setTimeout(() => no(new Error("no answer")), 1500))]);
                    connection.close();
                    return `${hostname}:${port} connected`;
                  } catch (error) {
                    return `${hostname}:${port} ${error.message}`;
                  }
                };
                return (await Promise.all([\(list)].map(attempt))).join("\\n");
                """)
            return answer.split(separator: "\n").map(String.init)
        }

        private static func hostAddresses() -> [String] {
            var first: UnsafeMutablePointer<ifaddrs>?
            guard getifaddrs(&first) == 0 else { return [] }
            defer { freeifaddrs(first) }
            var found: [String] = []
            for entry in sequence(first: first, next: { $0?.pointee.ifa_next }) {
                guard let address = entry?.pointee.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET) else {
                    continue
                }
                var text = [CChar](repeating: 0, count: 64)
                getnameinfo(address, socklen_t(MemoryLayout<sockaddr_in>.size), &text, 64, nil, 0, NI_NUMERICHOST)
                found.append(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
            }
            return found.filter { !$0.hasPrefix("127.") }
        }

        private func withWorld(
            _ body: @Sendable (LocalFixture, OutsideWorld, HostListener, FakeNameServer) async throws -> Void
        ) async throws {
            let name = String(InstanceID.random().prefix(6))
            try await OutsideWorld.with(name) { world in
                let names = [
                    "outside.test": world.publicAddress, "private.test": world.privateAddresses[0],
                    "host.test": world.hostAddress,
                ]
                try await FakeNameServer.with(names) { server in
                    try await HostListener.with { listener in
                        try await withLocalFixture({ $0.nameServers = ["127.0.0.1:\(server.port)"] }) { fixture in
                            try await body(fixture, world, listener, server)
                        }
                    }
                }
            }
        }
    }
}
