import Contract
import FoundationEssentials
import Glibc
import Kubernetes
import Logging
import Router
import Service
import Transfer

/// Connects a Router with its Deployer: the route stream one way, acknowledgements the other. Survives the Deployer's restarts;
/// meanwhile the Router goes on with its last table.
struct RouteFeed: Sendable {
    let client: HTTPClient
    let deployer: RoleAddress
    let token: String
    let id: String
    let logger: Logger

    /// A line of the stream is at most this long: 10,000 functions have about 3 MB.
    private static let lineLimit = 256 << 20

    /// Feeds `server` until cancelled: with the Deployer's stream, or what `cluster` tells.
    func run(_ server: RouterServer, cluster: ClusterRouteFeed? = nil) async {
        await withTaskGroup(of: Void.self) { group in
            if let cluster {
                group.addTask { await cluster.run { server.apply($0) } }
            } else {
                group.addTask { await follow(server) }
                group.addTask { await report(server) }
            }
            group.addTask { await reportLoads(server) }
        }
    }

    private func follow(_ server: RouterServer) async {
        var pause = Duration.milliseconds(20)
        while !Task.isCancelled {
            do {
                let response = try await client.execute(
                    ClientRequest(
                        .get, deployer.url("/internal/routes?router=\(id)"), socket: deployer.socket,
                        headers: ["Authorization": "Bearer \(token)"],
                        timeouts: Timeouts(connect: .seconds(2), total: nil, idle: .seconds(10))))
                guard response.status == 200 else { throw StartError("the Deployer answered \(response.status)") }
                logger.debug("route stream opened")
                pause = .milliseconds(20)
                try await read(response, server)
                logger.debug("route stream ended")
            } catch {
                logger.debug("route stream lost", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(500))
        }
    }

    private func read(_ response: ClientResponse, _ server: RouterServer) async throws {
        var line: [UInt8] = []
        for try await chunk in response.body {
            var rest = chunk[...]
            while let end = rest.firstIndex(of: 10) {
                line += rest[..<end]
                server.apply(try JSON.decode(RouteMessage.self, from: line))
                line.removeAll(keepingCapacity: true)
                rest = rest[(end + 1)...]
            }
            line += rest
            guard line.count <= Self.lineLimit else { throw StartError("a line of the route stream is too long") }
        }
    }

    /// Tells the Deployer what requests there are. What is not delivered is said again by the next report.
    private func reportLoads(_ server: RouterServer) async {
        for await load in server.loads {
            do {
                _ = try await client.collect(
                    ClientRequest(
                        .post, deployer.url("/internal/routers/\(id)/load"), socket: deployer.socket,
                        headers: ["Authorization": "Bearer \(token)", "Content-Type": "application/json"],
                        body: .bytes(JSON.encode(load)), timeouts: Timeouts(connect: .seconds(1), total: .seconds(5))),
                    limit: 1 << 16)
            } catch {
                logger.debug("load not delivered", metadata: ["error": "\(error)"])
            }
        }
    }

    private func report(_ server: RouterServer) async {
        for await status in server.statuses {
            var attempts = 0
            while !Task.isCancelled, attempts < 3 {
                do {
                    let answer = try await client.collect(
                        ClientRequest(
                            .post, deployer.url("/internal/routers/\(id)/status"), socket: deployer.socket,
                            headers: ["Authorization": "Bearer \(token)", "Content-Type": "application/json"],
                            body: .bytes(JSON.encode(status))), limit: 1 << 16)
                    if answer.status == 204 { break }
                    logger.warning("status refused", metadata: ["status": "\(answer.status)"])
                } catch {
                    logger.debug("status not delivered", metadata: ["error": "\(error)"])
                }
                attempts += 1
                try? await Task.sleep(for: .milliseconds(20 * attempts))
            }
        }
    }
}
