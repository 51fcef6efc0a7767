import FoundationEssentials
import Yams

/// What kubeconfig files say: clusters, users, and contexts that pair them.
///
/// The format is that of `kubectl` (kubeconfig v1). Relative paths in a file are relative to the file.
package struct KubeConfig: Sendable, Hashable {
    /// The context that is meant when none is named.
    package private(set) var currentContext: String?
    private(set) var clusters: [String: Cluster] = [:]
    private(set) var users: [String: User] = [:]
    private(set) var contexts: [String: Context] = [:]

    /// Parses the text of one file that is in `directory`; throws ``APIError`` when it is no kubeconfig. `path` is for messages.
    package init(yaml: String, path: String) throws(APIError) {
        let file: File
        do {
            file = try YAMLDecoder().decode(File.self, from: yaml)
        } catch {
            throw APIError(
                .connection, "\(path) is no kubeconfig file. Check it with: kubectl --kubeconfig \(path) config view",
                cause: error)
        }
        if let kind = file.kind, kind != "Config" {
            throw APIError(.connection, "\(path) is no kubeconfig file: its kind is '\(kind)', not 'Config'.")
        }
        let directory = Self.directory(of: path)
        currentContext = file.currentContext.flatMap { $0.isEmpty ? nil : $0 }
        for entry in file.clusters ?? [] where clusters[entry.name] == nil {
            clusters[entry.name] = entry.cluster?.resolved(against: directory)
        }
        for entry in file.users ?? [] where users[entry.name] == nil {
            users[entry.name] = (entry.user ?? User()).resolved(against: directory)
        }
        for entry in file.contexts ?? [] where contexts[entry.name] == nil { contexts[entry.name] = entry.context }
    }

    /// Reads files and merges them: of two entries of one name the earlier file's counts. A missing file is passed over, but not all of
    /// them may be missing.
    package init(paths: [String]) throws(APIError) {
        var merged: KubeConfig?
        for path in paths where !path.isEmpty && FileManager.default.fileExists(atPath: path) {
            let next = try KubeConfig(yaml: try Self.text(of: path), path: path)
            merged = merged.map { $0.merged(with: next) } ?? next
        }
        guard let merged else {
            throw APIError(
                .connection,
                "There is no kubeconfig file at \(paths.joined(separator: " or ")). Name one with --kubeconfig or KUBECONFIG."
            )
        }
        self = merged
    }

    /// The same with what `later` adds.
    func merged(with later: KubeConfig) -> KubeConfig {
        var merged = self
        merged.currentContext = currentContext ?? later.currentContext
        merged.clusters.merge(later.clusters) { first, _ in first }
        merged.users.merge(later.users) { first, _ in first }
        merged.contexts.merge(later.contexts) { first, _ in first }
        return merged
    }

    private static func text(of path: String) throws(APIError) -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw APIError(.connection, "The kubeconfig file \(path) cannot be read.", cause: error)
        }
    }

    private static func directory(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }
}
