import Contract
import Foundation
import Kubernetes
import Support
import Testing
import Transfer

/// Kiln on a cluster: two Deployers and a Router of this build beside an API server in memory, nodes whose Pods are processes, and a
/// registry.
final class Cluster: Sendable {
    static let functions = "kiln-functions"
    static let system = "kiln-system"

    let server: KubernetesFixture
    let api: APIClient
    let nodes: SimulatedNodes
    let registry: RegistryFixture
    let client: HTTPClient
    /// The front doors: those of the Routers.
    let urls: [String]
    let directory: String
    let deployers: [RoleProcess]
    let routers: [RoleProcess]
    private let images: [String]
    private let ports: (deployers: [Int], builder: Int, checker: Int, routers: [Int])

    /// `images` are the options that say where the roles keep images: by default in `registry`; `options` are further ones of the Deployers.
    init(
        _ server: KubernetesFixture, _ nodes: SimulatedNodes, _ registry: RegistryFixture, images: [String]? = nil,
        routers count: Int, options: [String], in directory: String
    ) throws {
        self.images = images ?? ["--registry", registry.authority]
        self.server = server
        self.nodes = nodes
        self.registry = registry
        self.directory = directory
        api = try server.api()
        client = try HTTPClient()
        // With the rights of the manifests, and no more.
        for account in ["kiln-deployer", "kiln-router"] {
            try Data(Self.kubeconfig(server.url, account: account).utf8)
                .write(to: URL(filePath: "\(directory)/\(account)"))
        }
        let token =
            (0..<4).map { _ in String(UInt64.random(in: .min ... .max), radix: 16) }.joined() + "0123456789abcdef"
        try Data(token.utf8).write(to: URL(filePath: directory + "/token"))
        chmod(directory + "/token", 0o640)
        ports = (
            [try freePort(), try freePort()], try freePort(), try freePort(),
            try (0..<count).map { _ in try freePort() }
        )
        let common = ["--internal-token-file", directory + "/token"]
        func cluster(_ account: String) -> [String] {
            ["--kubernetes", "--kubeconfig", "\(directory)/\(account)"] + common
        }
        var deployers: [RoleProcess] = []
        for (index, port) in ports.deployers.enumerated() {
            deployers.append(
                try RoleProcess(
                    "deployer-\(index)",
                    ["deployer"] + cluster("kiln-deployer") + [
                        "--role-listen", "127.0.0.1:\(port)", "--drain", "1", "--checker",
                        "127.0.0.1:\(ports.checker)", "--progress-deadline", "20",
                    ] + self.images + options, in: directory))
        }
        self.deployers = deployers
        var (routers, urls): ([RoleProcess], [String]) = ([], [])
        for (index, port) in ports.routers.enumerated() {
            let front = "127.0.0.1:\(try freePort())"
            urls.append("http://\(front)")
            routers.append(
                try RoleProcess(
                    "router-\(index)",
                    ["router"] + cluster("kiln-router") + [
                        "--listen", front, "--role-listen", "127.0.0.1:\(port)",
                        "--builder", "127.0.0.1:\(ports.builder)",
                        // Whichever it asks passes on what only the leader may do.
                        "--deployer", "127.0.0.1:\(ports.deployers[1])",
                    ], in: directory))
        }
        self.routers = routers
        self.urls = urls
    }

    /// The text of a kubeconfig file for the server at `url`, by default for somebody who may do everything.
    static func kubeconfig(_ url: String, account: String? = nil) -> String {
        """
        apiVersion: v1
        kind: Config
        current-context: test
        clusters: [{name: test, cluster: {server: "\(url)"}}]
        users: [{name: test, user: {\(account.map { "token: \"account:\($0)\"" } ?? "")}}]
        contexts: [{name: test, context: {cluster: test, user: test, namespace: \(system)}}]
        """
    }

    /// The Service by which the Deployers find the Routers.
    var routerService: SimulatedService { SimulatedService(api, "kiln-routers", in: Self.system, port: "role") }

    /// The Routers, as their Service lists them.
    var routerPods: [SimulatedService.Pod] {
        ports.routers.enumerated().map { .init("router-\($0)", port: $1) }
    }

    /// Where a Deployer is asked, which need not be the one that leads.
    var deployerAddress: String { "127.0.0.1:\(ports.deployers[1])" }

    /// Starts a Builder whose base image has the Deno program `deno`, and the checker it asks.
    func withBuilder(deno: String = Platform.deno, _ body: () async throws -> Void) async throws {
        let checker = Process()
        checker.executableURL = URL(filePath: Platform.deno)
        checker.arguments = [
            "run", "--quiet", "--no-prompt", "--no-config", "--cached-only", "--no-lock", "--allow-all",
            Platform.root + "/base-image/checker.js",
        ]
        checker.environment = [
            "DENO_DIR": directory + "/deno", "DENO_SERVE_ADDRESS": "tcp:127.0.0.1:\(ports.checker)", "NO_COLOR": "1",
            "PATH": "/usr/bin:/bin",
        ]
        checker.standardOutput = FileHandle.nullDevice
        checker.standardError = FileHandle.nullDevice
        try checker.run()
        defer { Foundation.kill(checker.processIdentifier, SIGKILL) }
        let builder = try RoleProcess(
            "builder",
            [
                "builder", "--role-listen", "127.0.0.1:\(ports.builder)", "--deno", deno, "--deployer",
                "127.0.0.1:\(ports.deployers[0])", "--internal-token-file", directory + "/token",
            ] + images, in: directory)
        defer { builder.kill() }
        do {
            try await body()
        } catch {
            Issue.record("\(error)\n--- builder\n\(builder.log.suffix(3000))")
        }
    }

    /// The number of the Deployer that leads.
    func leader() async throws -> Int? {
        let lease = try await api.get(LeaseDocument.self, "kiln-deployer", in: Self.system)
        let address = lease?.metadata.annotations?["kiln.dev/address"] ?? ""
        guard lease?.spec?.holderIdentity?.isEmpty == false else { return nil }
        return ports.deployers.firstIndex { address.hasSuffix(":\($0)") }
    }

    /// One request to a front door.
    func call(
        _ method: Transfer.Method, _ path: String, body: [UInt8]? = nil, door: Int = 0
    ) async throws -> Answer {
        let request = ClientRequest(
            method, urls[door] + path, body: body.map { .bytes($0) } ?? .none,
            timeouts: Timeouts(connect: .seconds(5), total: .seconds(120), idle: .seconds(120)))
        let answer = try await client.collect(request)
        return Answer(status: answer.status, headers: answer.headers, bytes: answer.body)
    }

    /// One request to the Deployer `number` itself.
    func ask(deployer number: Int, _ method: Transfer.Method, _ path: String) async throws -> Answer {
        let token = try String(contentsOfFile: directory + "/token", encoding: .utf8)
        let request = ClientRequest(
            method, "http://127.0.0.1:\(ports.deployers[number])\(path)", headers: ["Authorization": "Bearer \(token)"],
            timeouts: Timeouts(connect: .seconds(5), total: .seconds(120), idle: .seconds(120)))
        let answer = try await client.collect(request)
        return Answer(status: answer.status, headers: answer.headers, bytes: answer.body)
    }

    /// Which Deployment answers for `name`, e.g. `hello-r1`; `nil` when none does.
    func served(_ name: String, _ path: String = "") async throws -> String? {
        let answer = try await call(.get, "/fn/\(name)\(path)")
        return answer.status == 200 ? answer.text.split(separator: " ").first.map(String.init) : nil
    }

    /// Writes the object of a function, as `kubectl apply` does.
    @discardableResult
    func apply(_ name: String, image letter: Character, manager: String = "kubectl", min: Int = 1) async throws
        -> FunctionDocument
    {
        try await api.apply(
            FunctionDocument(name, image: Self.image(registry, name, letter), min: min), manager: manager,
            ownership: .force
        ).object
    }

    static func image(_ registry: RegistryFixture, _ name: String, _ letter: Character) -> String {
        "\(registry.authority)/kiln/\(name)@sha256:\(String(repeating: letter, count: 64))"
    }

    /// The object of a function.
    func function(_ name: String) async throws -> FunctionDocument? {
        try await api.get(FunctionDocument.self, name, in: Self.functions)
    }

    /// What the processes printed last.
    var logs: String {
        (deployers + routers).map { "--- \($0.logPath)\n\($0.log.suffix(4000))" }.joined(separator: "\n")
    }

    func stop() {
        for process in deployers + routers { process.kill() }
    }
}

/// Gives `body` a cluster, ready to take deploys, with so many Routers, and further options of its Deployers.
func withCluster(
    images: [String]? = nil, routers: Int = 1, options: [String] = [],
    _ body: @escaping @Sendable (Cluster) async throws -> Void
) async throws {
    let manifests = ["k8s/base/functions.yaml", "k8s/base/functionrevisions.yaml"]
    try await withKubernetes(
        namespaces: [Cluster.functions, Cluster.system], manifests: manifests, roles: "k8s/base/access.yaml"
    ) { server in
        try await withRegistry { registry in
            let directory = "/tmp/kiln-e2e-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let nodes = SimulatedNodes(try server.api(), namespace: Cluster.functions, containers: .processes)
            let running = Task { await nodes.run() }
            let cluster = try Cluster(
                server, nodes, registry, images: images, routers: routers, options: options, in: directory)
            do {
                try await eventually("a Deployer leads and the Router routes", within: .seconds(30)) {
                    let listed = try await cluster.call(.get, "/func").status == 200
                    return try await cluster.leader() != nil && listed
                }
                try await cluster.routerService.list(cluster.routerPods)
                try await body(cluster)
            } catch {
                Issue.record("\(error)\n\(cluster.logs)")
            }
            cluster.stop()
            running.cancel()
            await running.value
        }
    }
}

/// A function as `kubectl` writes and reads it.
struct FunctionDocument: KubernetesObject {
    static let resource = APIResource(
        group: "kiln.dev", version: "v1alpha1", plural: "functions", kind: "Function")
    struct Configuration: Codable, Sendable {
        var min: Int?
        var idle: Int?
    }
    struct Spec: Codable, Sendable {
        var image: String
        var configuration: Configuration?
    }
    struct Condition: Codable, Sendable {
        var type: String
        var status: String
        var reason: String?
        var message: String?
    }
    struct Status: Codable, Sendable {
        var live: Int?
        var observedGeneration: Int64?
        var conditions: [Condition]?
    }
    var metadata: ObjectMeta
    var spec: Spec?
    var status: Status?

    init(_ name: String, image: String, min: Int) {
        metadata = ObjectMeta(name: name, namespace: Cluster.functions)
        spec = Spec(image: image, configuration: Configuration(min: min))
    }

    /// The status and reason of a condition.
    func condition(_ type: String) -> String? {
        status?.conditions?.first { $0.type == type }.map { "\($0.status) \($0.reason ?? "")" }
    }
}

/// A Lease as far as a test looks at it.
struct LeaseDocument: KubernetesObject {
    static let resource = APIResource(
        group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease")
    struct Spec: Codable, Sendable {
        var holderIdentity: String?
    }
    var metadata: ObjectMeta
    var spec: Spec?
}

/// An Event as far as a test looks at it.
struct EventDocument: KubernetesObject {
    static let resource = APIResource(group: "", version: "v1", plural: "events", kind: "Event")
    struct Reference: Codable, Sendable {
        var name: String
    }
    var metadata: ObjectMeta
    var reason: String?
    var message: String?
    var involvedObject: Reference?
}
