import Foundation
import NIOCore
import NIOPosix
import Support
import Synchronization

@testable import Deployer

/// A network namespace that plays the internet behind this host, and a private network beside it.
///
/// It has two public addresses (of TEST-NET-3, RFC 5737) and some of ranges that are private or special, with routes to all of them
/// on the host: what a function cannot reach there is kept from it by Kiln, not by the lack of a way. Port 80 of all of them answers
/// `outside`, `/redirect` sends to a private one.
struct OutsideWorld: Sendable {
    let publicAddress: String
    let otherPublicAddress: String
    /// The host's own address on the wire.
    let hostAddress: String
    let privateAddresses: [String]

    /// Runs `body` with such a namespace; `name` is six hexadecimal digits of its own.
    static func with(_ name: String, _ body: @Sendable (OutsideWorld) async throws -> Void) async throws {
        let number = (Int(name, radix: 16) ?? 0) % 30
        let base = 8 * number
        let last = number + 1
        let world = OutsideWorld(
            publicAddress: "203.0.113.\(base + 2)", otherPublicAddress: "203.0.113.\(base + 3)",
            hostAddress: "203.0.113.\(base + 1)",
            privateAddresses: [
                "10.99.77.\(last)", "172.31.253.\(last)", "192.168.253.\(last)", "100.127.253.\(last)",
                "169.254.253.\(last)",
            ])
        let namespace = "kt-\(name)"
        let device = "kt\(name)"
        func ip(_ arguments: String) async throws {
            let words = arguments.split(separator: " ").map(String.init)
            try await Program("ip", package: "iproute2").check("run ip \(arguments)", words)
        }
        do {
            try await ip("netns add \(namespace)")
            try await ip("link add \(device) type veth peer name eth0 netns \(namespace)")
            try await ip("addr add \(world.hostAddress)/29 dev \(device)")
            try await ip("link set \(device) up")
            try await ip("-n \(namespace) link set lo up")
            try await ip("-n \(namespace) addr add \(world.publicAddress)/29 dev eth0")
            try await ip("-n \(namespace) addr add \(world.otherPublicAddress)/29 dev eth0")
            try await ip("-n \(namespace) link set eth0 up")
            try await ip("-n \(namespace) route add default via \(world.hostAddress)")
            for address in world.privateAddresses {
                try await ip("-n \(namespace) addr add \(address)/32 dev lo")
                try await ip("route add \(address)/32 via \(world.publicAddress)")
            }
            let code = """
                Deno.serve({ port: 80, onListen() { console.log("ready"); } }, (request) =>
                  new URL(request.url).pathname === "/redirect"
                    ? Response.redirect("http://\(world.privateAddresses[0])/") : new Response("outside"));
                """
            let script = "/tmp/kt-\(name).js"
            try Data(code.utf8).write(to: URL(filePath: script))
            defer { DiskFile.removeTree(script) }
            let program = [
                "env", "NO_COLOR=1", "DENO_DIR=/tmp/kt-\(name)-deno", TestImages.deno, "run", "-A", "--no-config",
                script,
            ]
            try await withChildReady("ip", ["netns", "exec", namespace] + program) { _ in try await body(world) }
        } catch {
            await remove(namespace, device, name)
            throw error
        }
        await remove(namespace, device, name)
    }

    private static func remove(_ namespace: String, _ device: String, _ name: String) async {
        guard let ip = try? Program("ip", package: "iproute2") else { return }
        _ = try? await ip.run(["link", "del", device])
        _ = try? await ip.run(["netns", "del", namespace])
        DiskFile.removeTree("/tmp/kt-\(name)-deno")
    }
}

/// Counts the connections that anyone makes to this host, on every address of it.
struct HostListener: Sendable {
    let port: Int
    private let count: Counter

    private final class Counter: Sendable {
        let value = Mutex(0)
    }

    static func with(_ body: (HostListener) async throws -> Void) async throws {
        let count = Counter()
        func bootstrap() -> ServerBootstrap {
            ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).childChannelInitializer { channel in
                count.value.withLock { $0 += 1 }
                return channel.close()
            }
        }
        // Takes IPv4 as well (ipv6(7), `bindv6only`).
        let channel = try await bootstrap().bind(host: "::", port: 0).get()
        do {
            try await body(HostListener(port: channel.localAddress?.port ?? 0, count: count))
        } catch {
            try? await channel.close()
            throw error
        }
        try? await channel.close()
    }

    var connections: Int { count.value.withLock { $0 } }
}
