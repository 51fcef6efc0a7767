import Contract
import NIOCore
import NIOPosix

/// Finds out whether something accepts connections, for Deployers: the Pods of functions take connections from Routers only.
struct ReachProbe: Sendable {
    /// Between two tries.
    private static let pause = Duration.milliseconds(10)
    /// The longest that one try takes.
    private static let longest = Duration.seconds(1)

    let group: any EventLoopGroup

    /// Whether all of `addresses` accept connections now, or come to within `patience`.
    func reaches(_ addresses: [Endpoint.Address], within patience: Duration) async -> Bool {
        let deadline = ContinuousClock.now + patience
        return await withTaskGroup(of: Bool.self) { tasks in
            for address in addresses { tasks.addTask { await accepts(address, until: deadline) } }
            for await isThere in tasks where !isThere {
                tasks.cancelAll()
                return false
            }
            return true
        }
    }

    private func accepts(_ address: Endpoint.Address, until deadline: ContinuousClock.Instant) async -> Bool {
        guard case .tcp(let host, let port) = address, let place = try? SocketAddress(ipAddress: host, port: port)
        else { return false }
        while !Task.isCancelled {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else { return false }
            let timeout = TimeAmount.milliseconds(Int64(max(1, min(left, Self.longest) / .milliseconds(1))))
            if let channel = try? await ClientBootstrap(group: group).connectTimeout(timeout).connect(to: place).get() {
                try? await channel.close().get()
                return true
            }
            try? await Task.sleep(for: Self.pause)
        }
        return false
    }
}
