import Contract
import Foundation
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Router

/// A running Router, and what tests do with it.
final class TestRouter: Sendable {
    let server: RouterServer
    let directory: String
    private let reported = Mutex<[RouterStatus]>([])
    private let lastVersion = Mutex(0)
    private let following = Mutex<Task<Void, Never>?>(nil)

    init(_ server: RouterServer, _ directory: String) {
        self.server = server
        self.directory = directory
        let task = Task { [weak self, statuses = server.statuses] in
            for await status in statuses { self?.reported.withLock { $0.append(status) } }
        }
        following.withLock { $0 = task }
    }

    var port: Int { server.boundAddress.port }

    func connect() throws -> RawSocket { try RawSocket.connect(port) }

    /// A path for a socket.
    func path(_ name: String) -> String { "\(directory)/\(name).sock" }

    /// Routes `routes`: functions to their upstreams.
    @discardableResult
    func route(
        _ routes: [String: [TestUpstream]], concurrency: Int = 100, timeout: Duration = .seconds(10)
    ) throws -> Int {
        try route(endpoints: routes.mapValues { $0.map(\.endpoint) }, concurrency: concurrency, timeout: timeout)
    }

    @discardableResult
    func route(
        endpoints: [String: [Endpoint]], concurrency: Int = 100, timeout: Duration = .seconds(10)
    ) throws -> Int {
        var routes: [FunctionName: Route] = [:]
        for (name, endpoints) in endpoints {
            routes[try FunctionName(name)] = Route(targets: [
                RouteTarget(
                    revision: 1, weight: 100, timeoutMilliseconds: Int(timeout / .milliseconds(1)),
                    concurrency: concurrency, endpoints: endpoints)
            ])
        }
        return apply(routes)
    }

    @discardableResult
    func apply(_ routes: [FunctionName: Route]) -> Int {
        let number = lastVersion.withLock { number in
            number += 1
            return number
        }
        server.apply(RouteTable(version: TableVersion(epoch: "test", number: number), routes: routes))
        return number
    }

    /// The latest report.
    var status: RouterStatus? { reported.withLock { $0.last } }

    /// Sends one request on a connection of its own and returns the response.
    func call(_ head: String, seconds: Double = 5) async throws -> RawMessage {
        let port = port
        return try await onThread {
            let socket = try RawSocket.connect(port)
            try socket.send(head.replacing("\n", with: "\r\n"))
            let method = head.split(separator: " ").first.map(String.init) ?? "GET"
            return try socket.receiveResponse(to: method, seconds: seconds)
        }
    }

    func get(_ target: String, _ fields: String = "", seconds: Double = 5) async throws -> RawMessage {
        try await call("GET \(target) HTTP/1.1\nHost: localhost\n\(fields)\n", seconds: seconds)
    }
}

/// Runs `body` with a Router on a free port, and ends it whatever happens.
func withRouter(
    loops: Int = 2, management: RouterConfiguration.Management? = nil,
    configure: (inout RouterConfiguration) -> Void = { _ in },
    _ body: (TestRouter) async throws -> Void
) async throws {
    let directory = NSTemporaryDirectory() + "kiln-router-" + UUID().uuidString.prefix(8)
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    var configuration = RouterConfiguration(listen: .address(host: "127.0.0.1", port: 0), management: management)
    configuration.timeouts.resolution = .milliseconds(10)
    configure(&configuration)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let group = try SocketLoopGroup(threads: loops)
    let result: Result<Void, any Error>
    do {
        let server = try await RouterServer.start(configuration, group: group, logger: logger)
        let router = TestRouter(server, directory)
        do {
            try await body(router)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await server.close()
    } catch {
        result = .failure(error)
    }
    await group.stop()
    try? FileManager.default.removeItem(atPath: directory)
    try result.get()
}

/// Whether the long forms of tests were asked for (`make test-long`).
let isLong = ProcessInfo.processInfo.environment["KILN_TEST_LONG"] != nil

/// Waits until `condition` holds.
func eventually(
    _ what: String, seconds: Double = 5, _ condition: () throws -> Bool,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {
        if try condition() { return }
        try await Task.sleep(for: .milliseconds(5))
    }
    Issue.record("not in time: \(what)", sourceLocation: sourceLocation)
}
