import Contract
import Kubernetes
import Logging
import Service
import Transfer

/// The Routers of a cluster: the Pods of a Service without an address, each of which is asked how it routes.
///
/// Those that start or end count, too: they may pass requests on. One at which nothing listens does not.
package actor ClusterRouters: RouterCensus {
    /// Which Service, and how its Pods are asked.
    package struct Configuration: Sendable {
        /// The namespace of the Service.
        package var namespace: String
        /// The Service; flag `--router-service`.
        package var service = "kiln-routers"
        /// The name of its port for the other roles.
        package var port = "role"
        /// The token between roles.
        package var token: String
        /// How long one question waits for a Router to switch; then it is asked again, if it is still there.
        package var wait = Duration.seconds(5)
        /// How long the first look at the Service may take.
        package var first = Duration.seconds(2)

        /// A Service in `namespace`, whose Pods know `token`.
        package init(namespace: String, token: String) {
            self.namespace = namespace
            self.token = token
        }
    }

    /// Between two questions to one that gave no answer.
    private static let pause = Duration.milliseconds(100)

    private let api: APIClient
    private let configuration: Configuration
    private let client: HTTPClient
    private let logger: Logger
    private var slices: [ObjectKey: EndpointSlice] = [:]
    private var isComplete = false
    private let waiters = ChangeWaiters()

    /// The Routers of the cluster that `api` reaches.
    package init(_ api: APIClient, _ configuration: Configuration, client: HTTPClient, logger: Logger) {
        self.api = api
        self.configuration = configuration
        self.client = client
        self.logger = logger
    }

    /// Follows which Routers there are, until the task is cancelled.
    package func run() async {
        let selection = Selection(
            namespace: configuration.namespace, labels: "kubernetes.io/service-name=\(configuration.service)")
        for await change in Reflector<EndpointSlice>(api, selection).changes() {
            switch change {
            case .added(let slice), .changed(_, let slice): slices[slice.key] = slice
            case .removed(let slice): slices[slice.key] = nil
            case .synced:
                isComplete = true
                waiters.announce()
            }
        }
    }

    package func settle(_ check: RouteCheck, deadline: ContinuousClock.Instant) async -> Bool {
        await untilComplete()
        let routers = known
        guard !routers.isEmpty else { return false }
        await withTaskGroup(of: Void.self) { group in
            for router in routers { group.addTask { await self.ask(router, check, deadline) } }
            await group.waitForAll()
        }
        return true
    }

    package func reach(_ addresses: [Endpoint.Address], within patience: Duration) async -> Bool? {
        // All of them may dial the same.
        guard let router = known.randomElement(), case .tcp(let host, let port) = router.address else { return nil }
        let question = ReachCheck(addresses: addresses, waitMilliseconds: Int(patience / .milliseconds(1)))
        do {
            let authority = Endpoint.Address.authority(host: host, port: port)
            switch try await status(authority, "reached", JSON.encode(question), within: patience) {
            case 204: return true
            case 409: return false
            // One of another version.
            default: return nil
            }
        } catch {
            logger.debug("a Router cannot be asked", metadata: ["router": "\(router.id)", "error": "\(error)"])
            return nil
        }
    }

    /// The Routers that are known.
    var known: [Endpoint] { PodAddress.endpoints(slices.values.map { ($0.key, $0.pods(port: configuration.port)) }) }

    private func untilComplete() async {
        let deadline = ContinuousClock.now + configuration.first
        while !isComplete, .now < deadline, !Task.isCancelled { await waiters.change(until: deadline) }
    }

    /// Asks one Router until it routes as `check` says, is gone, or time is up.
    private func ask(_ router: Endpoint, _ check: RouteCheck, _ deadline: ContinuousClock.Instant) async {
        guard case .tcp(let host, let port) = router.address else { return }
        let authority = Endpoint.Address.authority(host: host, port: port)
        var trouble = "it still routes otherwise, or has requests under way"
        while !Task.isCancelled, known.contains(router) {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else {
                logger.warning(
                    "a Router has not said in time that it has switched",
                    metadata: [
                        "router": "\(router.id)", "address": "\(authority)", "function": "\(check.function)",
                        "reason": "\(trouble)",
                    ])
                return
            }
            var question = check
            let wait = min(left, configuration.wait)
            question.waitMilliseconds = Int(wait / .milliseconds(1))
            do {
                switch try await status(authority, "routed", JSON.encode(question), within: wait) {
                case 204: return
                case 409: continue
                case let status: trouble = "it answered \(status)"
                }
            } catch let error as TransferError where error.code == .cannotConnect {
                // Nothing listens there: it has ended, or has not begun to.
                return
            } catch {
                trouble = "\(error)"
            }
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// The status of the answer of the Router at `authority` to a question that it may take `wait` to answer.
    private func status(
        _ authority: String, _ call: String, _ question: [UInt8], within wait: Duration
    ) async throws(TransferError) -> Int {
        let request = ClientRequest(
            .post, "http://\(authority)/internal/\(call)",
            headers: ["Authorization": "Bearer \(configuration.token)", "Content-Type": "application/json"],
            body: .bytes(question),
            timeouts: Timeouts(connect: .seconds(1), total: wait + .seconds(2), idle: nil))
        return try await client.collect(request, limit: 1 << 16).status
    }
}
