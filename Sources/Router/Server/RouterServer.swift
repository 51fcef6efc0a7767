import Contract
import Logging
import NIOCore

/// How a Router stops.
package struct DrainPlan: Sendable {
    /// Readiness fails, but connections are still accepted: as long as a load balancer needs to notice.
    package var lead: Duration
    /// How long requests under way may take to finish.
    package var grace: Duration
    /// How long tunnels (WebSockets) may take; at least ``grace`` counts.
    package var tunnelGrace: Duration

    /// A plan.
    package init(
        lead: Duration = .zero, grace: Duration = .seconds(25), tunnelGrace: Duration = .seconds(60)
    ) {
        self.lead = lead
        self.grace = grace
        self.tunnelGrace = tunnelGrace
    }
}

/// The data plane: accepts clients, finds an instance for each request, and passes it on.
///
/// Each event loop works by itself on a snapshot of the route table; this handle hands out tables and gathers what the
/// loops report.
package struct RouterServer: Sendable {
    /// What the Router routes by and what is still busy: the state in full each time, the latest one only. One
    /// consumer.
    package let statuses: AsyncStream<RouterStatus>
    /// What requests there are for which revision, and which revisions are awaited; nothing as long as there are none. One consumer.
    package let loads: AsyncStream<RouterLoad>
    let core: RouterCore

    /// Starts to listen. The loops of `group` do all the work; the group stays the caller's to stop.
    package static func start(
        _ configuration: RouterConfiguration,
        group: SocketLoopGroup,
        logger: Logger
    ) async throws -> RouterServer {
        try configuration.validate()
        let (statuses, continuation) = AsyncStream.makeStream(
            of: RouterStatus.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        // Both kinds are said again after a second: what a Deployer that is away misses is no loss.
        let (loads, reports) = AsyncStream.makeStream(of: RouterLoad.self, bufferingPolicy: .bufferingNewest(256))
        let core = try await RouterCore(
            configuration, group: group, logger: logger, statuses: continuation, loads: reports)
        do {
            try await core.listen(configuration.listen)
        } catch {
            throw RouterError(.listen, "Cannot listen at \(configuration.listen).", cause: error)
        }
        return RouterServer(statuses: statuses, loads: loads, core: core)
    }

    /// Where clients connect.
    package var boundAddress: (host: String, port: Int) {
        let address = core.localAddress
        return (address?.ipAddress ?? "", address?.port ?? 0)
    }

    /// Routes by `table` from now on; returns at once. Tables are applied in the order of the calls.
    package func apply(_ table: RouteTable) { core.apply { $0.apply(table, leaving: $1) } }

    /// Changes the table; its cost follows the change. Without a table to change it does nothing.
    package func apply(_ update: RouteUpdate) { core.apply { $0.apply(update, leaving: $1) } }

    /// Does what a line of the Deployer's route stream says.
    package func apply(_ message: RouteMessage) {
        switch message {
        case .snapshot(let version, let routes): apply(RouteTable(version: version, routes: routes))
        case .update(let update): apply(update)
        case .heartbeat: break
        }
    }

    /// Whether every new request for the function of `check` is routed as that says, and the endpoints that it names have none under way. A
    /// Router without a table passes nothing on: that holds for it.
    package func holds(_ check: RouteCheck) -> Bool { core.holds(check) }

    /// Stops as `plan` says, and returns when every client connection is closed.
    package func drain(_ plan: DrainPlan = DrainPlan()) async { await core.drain(plan) }

    /// Stops at once.
    package func close() async {
        await core.drain(DrainPlan(grace: .zero, tunnelGrace: .zero))
    }
}
