import Contract
import Foundation
import Support
import Testing
import Transfer

/// Kiln on the cluster that KUBECONFIG names, as `make test-kubernetes` installed it there in namespaces of its own.
///
/// Calls go through the cluster's API server to a Pod inside it, which passes connections on to the Service of the Routers: no tunnel
/// ends with a Router's Pod.
struct RealCluster: Sendable {
    /// The name that the namespaces begin with; `nil` when no cluster was asked for.
    static let name = ProcessInfo.processInfo.environment["KILN_TEST_KUBERNETES"]

    let system: String
    let functions: String
    /// The token for management calls.
    let token: String
    /// The front door.
    let url: String
    /// Where the load generator is told what to do.
    let control: String
    private let client: HTTPClient

    init(_ name: String, ports: [Int]) async throws {
        system = name + "-system"
        functions = name + "-functions"
        client = try HTTPClient()
        url = "http://127.0.0.1:\(ports[0])"
        control = "http://127.0.0.1:\(ports[1])"
        let secret = try await Self.kubectl(
            "-n", system, "get", "secret", "kiln-tokens", "-o", "jsonpath={.data.management}")
        token = String(decoding: Data(base64Encoded: secret) ?? Data(), as: UTF8.self)
    }

    /// Runs `kubectl` as a user would and returns what it printed; throws with what it complained about.
    @discardableResult
    static func kubectl(_ arguments: String..., input: String = "") async throws -> String {
        // Also one that is not the system's.
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let result = try await Support.command(
            "kubectl", arguments, input: Array(input.utf8), environment: ["PATH": path])
        guard result.succeeded else {
            throw PlatformFailure("kubectl \(arguments.joined(separator: " ")): \(result.errors)")
        }
        return result.output
    }

    /// `kubectl get` in the functions' namespace, as one line of a JSON path.
    func get(_ what: String, _ path: String, in namespace: String? = nil) async throws -> String {
        try await Self.kubectl("-n", namespace ?? functions, "get", what, "-o", "jsonpath=\(path)")
    }

    /// The names of objects in the functions' namespace, as `kind/name`, that carry a function's label.
    func objects(_ kinds: String, of function: String) async throws -> [String] {
        try await Self.kubectl("-n", functions, "get", kinds, "-l", "kiln.dev/function=\(function)", "-o", "name")
            .split(separator: "\n").map(String.init)
    }

    /// The status, reason and message of a function's condition.
    func condition(_ type: String, of function: String) async throws -> String {
        let fields = #"{.status} {.reason} {.message}"#
        return try await get(
            "function/\(function)", "{range .status.conditions[?(@.type==\"\(type)\")]}\(fields){end}")
    }

    /// Writes a function's object as `kubectl apply` does.
    func apply(_ function: String, image: String, _ configuration: [String: Any] = [:]) async throws {
        let document: [String: Any] = [
            "apiVersion": "kiln.dev/v1alpha1", "kind": "Function",
            "metadata": ["name": function, "namespace": functions],
            "spec": ["image": image, "configuration": configuration],
        ]
        let text = String(decoding: try JSONSerialization.data(withJSONObject: document), as: UTF8.self)
        try await Self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input: text)
    }

    /// One request to the front door, with the token when it is a management call.
    func call(_ method: Transfer.Method, _ path: String, body: String? = nil) async throws -> Answer {
        try await send(method, url + path, path.hasPrefix("/func") ? ["Authorization": "Bearer \(token)"] : [:], body)
    }

    private func send(
        _ method: Transfer.Method, _ url: String, _ headers: HeaderFields, _ body: String?
    ) async throws -> Answer {
        let request = ClientRequest(
            method, url, headers: headers, body: body.map { .bytes(Array($0.utf8)) } ?? .none,
            timeouts: Timeouts(connect: .seconds(5), total: .seconds(240), idle: .seconds(240)))
        let answer = try await client.collect(request)
        return Answer(status: answer.status, headers: answer.headers, bytes: answer.body)
    }

    /// `POST /func?name=NAME` with `source`.
    func deploy(_ function: String, _ source: String, _ options: String = "") async throws -> Answer {
        try await call(.post, "/func?name=\(function)&cpu=0.2\(options)", body: source)
    }

    /// Deploys and demands success; returns the image as the cluster records it.
    @discardableResult
    func mustDeploy(_ function: String, _ source: String, _ options: String = "") async throws -> String {
        let answer = try await deploy(function, source, options)
        guard [200, 201].contains(answer.status) else {
            throw PlatformFailure("deploying \(function) answered \(answer.status): \(answer.text)")
        }
        return try #require(answer.json["image"] as? String)
    }

    /// What a function answers, or the status when that is not 200.
    func answer(_ function: String, _ path: String = "") async throws -> String {
        let answer = try await call(.get, "/fn/\(function)\(path)")
        return answer.status == 200 ? answer.text : "\(answer.status)"
    }

    /// The `kiln` of this build, which calls this platform.
    func withTool(_ body: (CommandLineTool) async throws -> Void) async throws {
        try await EndToEndTests.withTool(url) { tool in
            var tool = tool
            tool.environment["KILN_TOKEN"] = token
            tool.environment["KILN_NAMESPACE"] = functions
            let inherited = ProcessInfo.processInfo.environment
            for name in ["KUBECONFIG", "HOME", "PATH"] { tool.environment[name] = inherited[name] }
            try await body(tool)
        }
    }

    /// What constant load came to.
    struct Tally: Decodable, CustomStringConvertible {
        var answered: Int
        var failed: Int
        var failures: [String]
        var bodies: [String: Int]
        /// In milliseconds.
        var slowest: Int
        var seconds: Double

        var description: String {
            "\(answered) requests in \(Int(seconds)) s, \(failed) failed, the slowest \(slowest) ms\n"
                + failures.joined(separator: "\n")
        }
    }

    /// Runs `body` under constant load on a function, from inside the cluster, for `least` at least; reports each failed request.
    @discardableResult
    func underLoad(
        _ function: String, least: Duration = .zero, _ what: String, _ body: () async throws -> Void
    ) async throws -> Tally {
        let order = #"{"path": "/fn/\#(function)", "clients": 4, "pause": 10}"#
        let started = ContinuousClock.now
        #expect(try await send(.post, control + "/start", [:], order).status == 200)
        try await Task.sleep(for: .seconds(1))
        var failure: (any Error)?
        do { try await body() } catch { failure = error }
        let rest = started + least - .now
        try await Task.sleep(for: max(rest, .seconds(1)))
        let answer = try await send(.post, control + "/stop", [:], "")
        let tally = try JSONDecoder().decode(Tally.self, from: Data(answer.bytes))
        print("\(what): \(tally)")
        #expect(tally.failed == 0 && tally.answered > 50, "\(what): \(tally)")
        if let failure { throw failure }
        return tally
    }
}

/// Gives `body` the cluster, and the name of a function of which nothing is left afterwards.
func withRealCluster(_ body: (RealCluster, String) async throws -> Void) async throws {
    let name = try #require(RealCluster.name)
    try await withPortForward(name + "-client", "deployment/client", [8080, 8081]) { ports in
        let cluster = try await RealCluster(name, ports: ports)
        let function = "f" + String(UInt32.random(in: 0 ... .max), radix: 16)
        do {
            try await body(cluster, function)
        } catch {
            let state = try? await RealCluster.kubectl("-n", cluster.functions, "get", "pods,functions", "-o", "wide")
            Issue.record("\(error)\n\(state ?? "")")
        }
        try await RealCluster.kubectl(
            "-n", cluster.functions, "delete", "function", "--all", "--ignore-not-found")
        try await eventually("the Pods of \(function) have gone", within: .seconds(90)) {
            try await cluster.objects("pods", of: function).isEmpty
        }
    }
}

/// Gives `body` the local ports at which `kubectl port-forward` passes connections on.
private func withPortForward(
    _ namespace: String, _ target: String, _ ports: [Int], _ body: ([Int]) async throws -> Void
) async throws {
    let path = "/tmp/kiln-forward-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    // It ends when its standard input does, at the latest with this process, however that ends.
    process.arguments =
        ["-c", "kubectl \"$@\" & read -r end; kill $!", "sh", "-n", namespace, "port-forward", target]
        + ports.map { ":\($0)" }
    process.standardOutput = FileHandle(forWritingAtPath: path)
    process.standardError = FileHandle(forWritingAtPath: path)
    let life = Pipe()
    process.standardInput = life
    try process.run()
    defer { try? life.fileHandleForWriting.close() }
    var local: [Int] = []
    try await eventually("kubectl passes connections on") {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        local = ports.compactMap { port in
            text.split(separator: "\n").first { $0.contains("127.0.0.1:") && $0.hasSuffix("-> \(port)") }
                .flatMap { $0.firstMatch(of: /127\.0\.0\.1:([0-9]+)/) }.flatMap { Int($0.1) }
        }
        return local.count == ports.count
    }
    try await body(local)
}
