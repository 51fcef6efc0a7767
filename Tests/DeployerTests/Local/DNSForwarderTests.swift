import Logging
import NIOCore
import NIOPosix
import Testing

@testable import Deployer

@Suite struct DNSForwarderTests {
    /// A query for the A record of `name`.
    private static func query(_ name: String, id: UInt16 = 0x1234) -> [UInt8] {
        let labels = name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        return [UInt8(id >> 8), UInt8(id & 255), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + labels + [0, 0, 1, 0, 1]
    }

    @Test func `only the answer to the question that was asked is taken`() throws {
        let query = try #require(DNSMessage(Self.query("a.test")))
        var answer = query.bytes
        answer[2] |= 0x80
        #expect(try #require(DNSMessage(answer)).answers(query))
        #expect(!query.answers(query))
        var other = answer
        other[1] ^= 1
        #expect(!(try #require(DNSMessage(other)).answers(query)))
        var foreign = Self.query("b.test")
        foreign[2] |= 0x80
        #expect(!(try #require(DNSMessage(foreign)).answers(query)))
    }

    @Test(arguments: [
        [], [UInt8](repeating: 0, count: 11), [UInt8](repeating: 0, count: 12), Array(query("a.test").dropLast()),
        Array(query("a.test").prefix(14)), [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xC0, 12, 0, 1, 0, 1],
        [0, 1, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1],
    ])
    func `what is no question is not taken for one`(bytes: [UInt8]) {
        #expect(DNSMessage(bytes)?.question == nil)
    }

    @Test func `a failure repeats number and question and says SERVFAIL`() throws {
        let query = try #require(DNSMessage(Self.query("a.test")))
        let failure = try #require(DNSMessage(query.failure))
        #expect(failure.answers(query) && failure.bytes[3] & 15 == 2)
    }

    @Test func `one client and all together have their bounds`() {
        var admission = DNSAdmission(perClient: 2, overall: 3)
        #expect([admission.admit("a"), admission.admit("a"), admission.admit("a")] == [true, true, false])
        #expect([admission.admit("b"), admission.admit("c")] == [true, false])
        admission.finish("a")
        admission.finish("unknown")
        #expect(admission.admit("c") && admission.total == 3)
    }

    @Test func `name servers are read from resolv.conf, three at most`() {
        let text =
            "# c\nnameserver 192.0.2.1\nsearch x\nnameserver\tfe80::1\nnameserver nonsense\n nameserver 192.0.2.2 \nnameserver 192.0.2.3\n"
        #expect(
            NameServers(resolver: text).addresses.map { $0.ipAddress ?? "" } == ["192.0.2.1", "fe80::1", "192.0.2.2"])
        #expect(NameServers(["127.0.0.1:5353"]).addresses.map(\.port) == [5353])
    }

    @Test func `queries go to the host's servers and answers come back, over UDP and TCP`() async throws {
        try await FakeNameServer.with(["a.test": "203.0.113.9"]) { server in
            try await withForwarder(["127.0.0.1:\(server.port)"]) { forwarder in
                let answer = try await ask(forwarder.port, Self.query("a.test"))
                #expect(answer.suffix(4) == [203, 0, 113, 9])
                let unknown = try await ask(forwarder.port, Self.query("b.test", id: 7))
                #expect(unknown[1] == 7 && unknown[3] & 15 == 3)
                let query = Self.query("a.test")
                let stream = try await askByStream(forwarder.port, [0, UInt8(query.count)] + query)
                #expect(stream.suffix(4) == [203, 0, 113, 9])
            }
        }
    }

    @Test func `a silent server is passed over, and none that answers means SERVFAIL`() async throws {
        try await FakeNameServer.with(["a.test": "203.0.113.9"]) { server in
            // Nobody listens on the first.
            try await withForwarder(["127.0.0.1:9", "127.0.0.1:\(server.port)"]) { forwarder in
                #expect(try await ask(forwarder.port, Self.query("a.test")).suffix(4) == [203, 0, 113, 9])
                let failure = try await ask(forwarder.port, Self.query("silent.test"))
                #expect(failure[3] & 15 == 2)
            }
            try await withForwarder([]) { forwarder in
                let failure = try await ask(forwarder.port, Self.query("a.test"))
                #expect(failure[3] & 15 == 2)
            }
        }
    }

    @Test func `rubbish does not stop it, and stopping frees the port`() async throws {
        try await FakeNameServer.with(["a.test": "203.0.113.9"]) { server in
            var port = 0
            try await withForwarder(["127.0.0.1:\(server.port)"]) { forwarder in
                port = forwarder.port
                for rubbish in [[], [1], [UInt8](repeating: 255, count: 600)] as [[UInt8]] {
                    await #expect(throws: Deadline.Exceeded.self) {
                        try await Deadline.run(.milliseconds(100)) { try await ask(forwarder.port, rubbish) }
                    }
                }
                let answer = try await ask(forwarder.port, Self.query("a.test"))
                #expect(answer.suffix(4) == [203, 0, 113, 9])
            }
            let again = try await DNSForwarder(address: "127.0.0.1", port: port, logger: Logger(label: "test")) {
                NameServers([])
            }
            #expect(again.port == port)
            await again.stop()
        }
    }

    private func withForwarder(_ servers: [String], _ body: (DNSForwarder) async throws -> Void) async throws {
        var limits = DNSForwarder.Limits()
        limits.answer = .milliseconds(200)
        let list = NameServers(servers)
        let forwarder = try await DNSForwarder(
            address: "127.0.0.1", limits: limits, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { list }
        do {
            try await body(forwarder)
        } catch {
            await forwarder.stop()
            throw error
        }
        await forwarder.stop()
    }
}

/// The answer to `query`, sent as a datagram.
private func ask(_ port: Int, _ query: [UInt8]) async throws -> [UInt8] {
    let server = try SocketAddress(ipAddress: "127.0.0.1", port: port)
    let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(to: server)
        .flatMapThrowing { try DNSForwarder.Datagrams(wrappingChannelSynchronously: $0) }.get()
    return try await channel.executeThenClose { inbound, outbound in
        try await outbound.write(AddressedEnvelope(remoteAddress: server, data: ByteBuffer(bytes: query)))
        for try await envelope in inbound { return Array(envelope.data.readableBytesView) }
        return []
    }
}

/// The answer to `bytes`, sent over TCP.
private func askByStream(_ port: Int, _ bytes: [UInt8]) async throws -> [UInt8] {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connect(host: "127.0.0.1", port: port) { channel in
            channel.eventLoop.makeCompletedFuture { try DNSForwarder.Stream(wrappingChannelSynchronously: channel) }
        }
    return try await channel.executeThenClose { inbound, outbound in
        try await outbound.write(ByteBuffer(bytes: bytes))
        for try await bytes in inbound { return Array(bytes.readableBytesView) }
        return []
    }
}
