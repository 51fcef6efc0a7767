import FoundationEssentials
package import Transfer

/// An API server in memory beside a test; it does what the recordings in `Tests/Fixtures/kubernetes` show.
package struct KubernetesFixture: Sendable {
    /// `http://127.0.0.1:port`.
    package let url: String
    /// A client for what a test asks of the server itself.
    package let client: HTTPClient

    /// What a test makes the server do.
    package enum Order: Sendable {
        /// Answers the next `times` requests whose `METHOD /path?query` matches the expression with this.
        case answer(String, status: Int, body: String = "", headers: [String: String] = [:], times: Int = 1)
        /// Breaks the connections of the next requests that match, before or after it has done what they ask.
        case drop(String, when: When, times: Int = 1)
        /// Lets the next requests that match pass, and only then looks at what was ordered after this.
        case skip(String, count: Int)
        /// Cuts the body of the next answer that matches after so many bytes.
        case cut(String, after: Int)
        /// Forgets the history, so that watches from older versions are refused.
        case compact
        /// Sends a bookmark on every watch that allows it.
        case bookmark
        /// Breaks the connections of all watches.
        case cutWatches
        /// Ends all watches as at the end of their time.
        case endWatches
        /// Breaks every connection until it is back up.
        case down(Bool)
        /// Refuses watches that begin with the list, as servers before 1.32 do.
        case noWatchList
        /// Copies all objects of the function `name`, `count` times, without telling any watch.
        case clone(_ name: String, prefix: String, count: Int, system: String)
        /// Does nothing, or forgets the log of requests.
        case look(forget: Bool = false)
    }

    /// Whether a request is done before its connection breaks.
    package enum When: String, Sendable {
        case before, after
    }

    /// What the server says of itself.
    package struct Report: Decodable, Sendable {
        /// The requests, as `METHOD /path?query`.
        package var log: [String]
        /// The newest version.
        package var version: Int
        /// The watches that are open.
        package var watches: Int
    }

    /// Makes the server do something.
    @discardableResult
    package func order(_ order: Order) async throws -> Report {
        let body: String
        switch order {
        case .answer(let match, let status, let text, let headers, let times):
            body = try Self.fault(["match": match, "body": text], ["status": status, "times": times], headers)
        case .drop(let match, let when, let times):
            body = try Self.fault(["match": match, "drop": when.rawValue], ["times": times])
        case .skip(let match, let count): body = try Self.fault(["match": match], ["times": count])
        case .cut(let match, let count): body = try Self.fault(["match": match], ["cutAfter": count])
        case .compact: body = #"{"compact":true}"#
        case .bookmark: body = #"{"bookmark":true}"#
        case .cutWatches: body = #"{"cut":true}"#
        case .endWatches: body = #"{"end":true}"#
        case .down(let down): body = #"{"down":\#(down)}"#
        case .noWatchList: body = #"{"no-watch-list":true}"#
        case .clone(let name, let prefix, let count, let system):
            body = #"{"clone":{"name":"\#(name)","prefix":"\#(prefix)","count":\#(count),"system":"\#(system)"}}"#
        case .look(let forget): body = #"{"forget":\#(forget)}"#
        }
        let answer = try await client.collect(
            ClientRequest(.post, url + "/_control", body: .text(body)), limit: 64 << 20)
        return try JSONDecoder().decode(Report.self, from: Data(answer.body))
    }

    private static func fault(
        _ texts: [String: String], _ numbers: [String: Int], _ headers: [String: String] = [:]
    ) throws -> String {
        func json(_ value: some Encodable) throws -> String {
            String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
        }
        var parts = try texts.map { "\(try json($0)):\(try json($1))" } + numbers.map { "\(try json($0)):\($1)" }
        parts.append("\"headers\":\(try json(headers))")
        return "{\"faults\":[{\(parts.joined(separator: ","))}]}"
    }
}

/// Runs a ``KubernetesFixture`` with these namespaces and the objects of these files of the repository beside `body`. With a token file
/// it takes only the tokens in it. Callers with a token `account:NAME` have the rights that the Roles in the file `roles` give to that
/// service account.
package func withKubernetes<Result: Sendable>(
    namespaces: [String] = ["functions"], manifests: [String] = [], roles: String? = nil, tokenFile: String? = nil,
    _ body: @Sendable (KubernetesFixture) async throws -> Result
) async throws -> Result {
    var arguments = ["-uB", repository + "/Tests/Support/KubernetesServer/server.py", try kubernetesPackages()]
    for namespace in namespaces { arguments += ["--namespace", namespace] }
    for manifest in manifests { arguments += ["--manifest", "\(repository)/\(manifest)"] }
    if let roles { arguments += ["--roles", "\(repository)/\(roles)"] }
    if let tokenFile { arguments += ["--token-file", tokenFile] }
    return try await withChildReady("python3", arguments) { port in
        try await body(KubernetesFixture(url: "http://127.0.0.1:\(port)", client: try HTTPClient()))
    }
}

/// Plays a recording in `Tests/Fixtures/kubernetes` against `server` and returns what it answers otherwise than the real one did.
package func replay(_ recording: String, skipping: [Int], on server: KubernetesFixture) async throws -> [String] {
    let tests = repository + "/Tests"
    let result = try await command(
        "python3",
        [
            "-B", tests + "/Support/KubernetesServer/replay.py", String(server.url.split(separator: ":").last ?? ""),
            "\(tests)/Fixtures/kubernetes/\(recording).json",
        ] + skipping.map { "skip:\($0)" })
    guard result.succeeded else { throw FixtureFailure("The recording could not be played: \(result.errors)") }
    return result.output.split(whereSeparator: \.isNewline).map(String.init)
}

/// What is wrong with objects, by the OpenAPI descriptions of Kubernetes 1.29 to 1.37, strictly. `objects` is a JSON array.
package func kubernetesFaults(of objects: String) async throws -> [String] {
    try await kubernetesFaults([], input: objects)
}

/// Like ``kubernetesFaults(of:)``, for the YAML files in a directory of this repository.
package func kubernetesFaults(inFilesOf directory: String) async throws -> [String] {
    let root = repository + "/" + directory
    let files = try FileManager.default.subpathsOfDirectory(atPath: root).filter { $0.hasSuffix(".yaml") }
    guard !files.isEmpty else { throw FixtureFailure("There are no YAML files in \(directory).") }
    return try await kubernetesFaults(files.sorted().map { root + "/" + $0 })
}

/// Like ``kubernetesFaults(of:)``, for a YAML file.
package func kubernetesFaults(inFile path: String) async throws -> [String] { try await kubernetesFaults([path]) }

private func kubernetesFaults(_ files: [String], input: String = "") async throws -> [String] {
    let script = repository + "/Tests/Support/KubernetesServer/validate.py"
    let result = try await command(
        "python3", ["-B", script, try kubernetesPackages()] + files, input: Array(input.utf8))
    guard result.succeeded else { throw FixtureFailure("The objects could not be checked: \(result.errors)") }
    return result.output.split(whereSeparator: \.isNewline).map(String.init)
}

var repository: String {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
}

func kubernetesPackages() throws -> String {
    let packages = repository + "/.tools/kubernetes"
    guard FileManager.default.fileExists(atPath: packages) else {
        throw FixtureFailure("The schemas of Kubernetes are missing. Run scripts/fetch-python.sh kubernetes.")
    }
    return packages
}
