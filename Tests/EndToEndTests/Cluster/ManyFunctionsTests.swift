import Foundation
import Kubernetes
import Support
import Testing
import Transfer

/// What many functions cost on a cluster: what is asked of the API server must not grow with their number. `KILN_TEST_FUNCTIONS` says
/// how many there are; with it, the figures are printed.
@Suite(.serialized) struct ManyFunctionsTests {
    /// What a cluster with so many functions asks of its API server, and how fast it is.
    private struct Figures {
        var start: Duration = .zero
        var calls: [String: [String]] = [:]
        var memory: [String: Int] = [:]
        var list: Duration = .zero
        var deploy: Duration = .zero

        func count(_ what: String) -> Int { calls[what]?.count ?? 0 }
    }

    @Test(.timeLimit(.minutes(60)))
    func `what is asked of the API server doesn't grow with the number of functions`() async throws {
        let given = ProcessInfo.processInfo.environment["KILN_TEST_FUNCTIONS"].flatMap { Int($0) }
        let count = given ?? 600
        // The API server in memory may be asked as much as it can answer.
        let options = ["--kubernetes-qps", "100000", "--kubernetes-burst", "100000"]
        try await withCluster(options: options) { cluster in
            try await Self.record(cluster)
            let few = try await Self.measure(cluster, prefix: "few", count: 10)
            let many = try await Self.measure(cluster, prefix: "many", count: count)
            if given != nil { Self.show(few, many, count) }
            // One page of a list has 500 objects: at a start three kinds of records and six of what runs them are read, by three roles.
            let pages = 20 * (count / 500 + 1)
            #expect(many.count("start") <= few.count("start") + pages, "\(Self.kinds(many.calls["start"]))")
            for what in ["at rest", "list", "deploy"] {
                #expect(many.count(what) <= few.count(what) + 6, "\(what): \(Self.kinds(many.calls[what]))")
            }
            let idle = many.calls["at rest"]?.filter { !$0.contains("/leases/") } ?? []
            #expect(idle.isEmpty, "\(Self.kinds(idle))")
            #expect(many.count("list") <= 4, "\(Self.kinds(many.calls["list"]))")
        }
    }

    /// The calls by what they are about, the most frequent first.
    private static func kinds(_ calls: [String]?) -> String {
        let kinds = Dictionary(grouping: calls ?? []) {
            $0.replacing(/\?.*/, with: "").replacing(/(few|many)\d+|kiln-counters-../, with: "N")
        }
        return kinds.mapValues(\.count).sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\($0.value) × \($0.key)" }.joined(separator: "\n")
    }

    private static func show(_ few: Figures, _ many: Figures, _ count: Int) {
        func row(_ title: String, _ value: (Figures) -> some CustomStringConvertible) {
            print("\(title)\t\(value(few))\t\(value(many))")
        }
        print("functions\t10\t\(count)")
        row("start, ms") { Int($0.start / .milliseconds(1)) }
        for what in ["start", "at rest", "list", "deploy"] { row("calls: \(what)") { $0.count(what) } }
        row("list of 10, ms") { Int($0.list / .milliseconds(1)) }
        row("deploy, ms") { Int($0.deploy / .milliseconds(1)) }
        for role in ["leader", "follower", "router"] {
            row("\(role), KiB") { ($0.memory[role] ?? 0) >> 10 }
            print("\(role), bytes a function\t\t\(((many.memory[role] ?? 0) - (few.memory[role] ?? 0)) / count)")
        }
    }

    /// A function that is parked, to be copied.
    private static func record(_ cluster: Cluster) async throws {
        var document = FunctionDocument(
            "sleeper", image: Cluster.image(cluster.registry, "sleeper", "a"), min: 1)
        document.spec?.configuration?.idle = 1
        _ = try await cluster.api.apply(document, manager: "kubectl")
        try await eventually("it answers") { try await cluster.served("sleeper") == "sleeper-r1" }
        try await eventually("it is parked", within: .seconds(30)) {
            let pods = try await cluster.api.list(PodDocument.self, Selection(namespace: Cluster.functions)).items
            let function = try await cluster.function("sleeper")
            return function?.condition("Ready") == "True Parked" && pods.isEmpty
        }
        _ = try await cluster.api.apply(
            TaggedRevision("sleeper-r1"), subresource: "status", manager: "test")
    }

    /// The calls since this was asked last.
    private static func taken(_ cluster: Cluster) async throws -> [String] {
        let log = try await cluster.server.order(.look()).log.filter(isOfRoles)
        try await cluster.server.order(.look(forget: true))
        return log
    }

    /// Starts all roles, and returns when a Deployer leads.
    private static func start(_ cluster: Cluster, _ name: String) async throws {
        for role in cluster.deployers + cluster.routers { try role.start() }
        try await eventually("a Deployer leads", within: .seconds(300)) {
            try await Task.sleep(for: .milliseconds(100))
            let answer = try await cluster.call(.post, "/func/\(name)/rollback")
            return answer.status == 409
        }
    }

    private static func measure(_ cluster: Cluster, prefix: String, count: Int) async throws -> Figures {
        var figures = Figures()
        let roles = cluster.deployers + cluster.routers
        for role in roles { role.kill() }
        try await cluster.server.order(.clone("sleeper", prefix: prefix, count: count, system: Cluster.system))
        // The copies' notes of what was last applied are those of the original: a first start brings them in line.
        try await start(cluster, "\(prefix)00001")
        try await untilQuiet(cluster)
        for role in roles { role.kill() }
        _ = try await taken(cluster)
        let begin = ContinuousClock.now
        try await start(cluster, "\(prefix)00001")
        figures.start = .now - begin
        try await untilQuiet(cluster)
        #expect(try await cluster.function("\(prefix)00003")?.condition("Ready") == "True Parked")
        figures.calls["start"] = try await taken(cluster)
        try await Task.sleep(for: .seconds(count > 1000 ? 60 : 6))
        figures.calls["at rest"] = try await taken(cluster)
        let leader = try await cluster.leader() ?? 0
        figures.memory = [
            "leader": cluster.deployers[leader].residentBytes, "follower": cluster.deployers[1 - leader].residentBytes,
            "router": cluster.routers[0].residentBytes,
        ]
        _ = try await taken(cluster)
        let listing = ContinuousClock.now
        #expect(try await cluster.call(.get, "/func?limit=10").status == 200)
        figures.list = .now - listing
        figures.calls["list"] = try await taken(cluster)
        let deploying = ContinuousClock.now
        try await cluster.apply("\(prefix)00002", image: "b")
        try await eventually("revision 2 answers", within: .seconds(60)) {
            try await cluster.served("\(prefix)00002") == "\(prefix)00002-r2"
        }
        figures.deploy = .now - deploying
        try await untilQuiet(cluster)
        figures.calls["deploy"] = try await taken(cluster)
        return figures
    }

    /// Returns when the roles have asked for nothing but their leases for some seconds.
    private static func untilQuiet(_ cluster: Cluster) async throws {
        func asked() async throws -> Int {
            try await cluster.server.order(.look()).log.filter { !$0.contains("/leases/") && isOfRoles($0) }.count
        }
        var (last, since) = (try await asked(), ContinuousClock.now)
        let deadline = ContinuousClock.now + .seconds(1200)
        while .now - since < .seconds(4), .now < deadline {
            try await Task.sleep(for: .milliseconds(500))
            let now = try await asked()
            if now != last { (last, since) = (now, .now) }
        }
    }

    /// Whether a call is not one of the simulated nodes or of the test.
    private static func isOfRoles(_ call: String) -> Bool {
        !call.contains("fieldManager=nodes") && !call.contains("kubectl") && !call.contains("kubernetes.io%2Finstance")
            && !call.hasPrefix("DELETE /api/v1/namespaces/\(Cluster.functions)/pods")
            && !call.hasPrefix("DELETE /apis/discovery") && !call.hasPrefix("GET /_control")
    }
}

/// What a test writes of a revision: that the registry has its tag.
private struct TaggedRevision: KubernetesObject {
    static let resource = RevisionDocument.resource
    struct Status: Codable, Sendable { var tagged = true }
    var metadata: ObjectMeta
    var status = Status()

    init(_ name: String) { metadata = ObjectMeta(name: name, namespace: Cluster.functions) }
}

/// A Pod as far as a test looks at it.
struct PodDocument: KubernetesObject {
    static let resource = APIResource(group: "", version: "v1", plural: "pods", kind: "Pod")
    var metadata: ObjectMeta
}
