package import Contract
internal import Transfer

/// Where an operator says that images are: `host[:port]`, or `host[:port]/path` with the path below which the repositories are.
package struct RegistryAddress: Hashable, Sendable {
    /// How the registry is spoken to.
    package enum Scheme: String, Hashable, Sendable {
        /// With TLS.
        case https
        /// Without.
        case http
    }

    /// The authority as in image references, `host` or `host:port`; `docker.io` for Docker Hub.
    package let name: String
    /// The repositories.
    package let repositories: RepositoryNames

    /// Docker Hub's names, all for one registry.
    private static let hub: Set<String> = ["docker.io", "index.docker.io", "registry-1.docker.io"]

    /// Reads `text`; throws a sentence that says how to write it.
    package init(_ text: String) throws(OCIError) {
        let shown = text.prefix(300).filter { !$0.isNewline }
        guard !text.contains("://") else {
            throw OCIError(
                .unsupported,
                "'\(shown)' is no address of a registry: write host[:port][/path] without https:// or http://.")
        }
        let host = text.prefix { $0 != "/" }
        guard let address = WebAddress("https://\(host)/"), !host.isEmpty,
            !host.contains(where: { "?#@\\%".contains($0) })
        else {
            throw OCIError(
                .unsupported,
                "'\(shown)' is no address of a registry: write host[:port][/path], e.g. ghcr.io/acme/functions.")
        }
        name = Self.hub.contains(address.host) ? "docker.io" : String(host)
        guard host.count < text.count else {
            repositories = .standard
            return
        }
        guard let names = RepositoryNames(path: String(text.dropFirst(host.count + 1))) else {
            throw OCIError(
                .unsupported,
                "'\(shown)' is no place for repositories: what follows the host is a path of lower-case words, digits, '-', '_' and '.', "
                    + "without a slash at its end, 200 characters at most.")
        }
        repositories = names
    }

    /// Whether the registry is on the loopback device, where nobody listens in.
    package var isLoopback: Bool {
        guard let host = WebAddress("https://\(name)/")?.host else { return false }
        return host == "localhost" || host == "[::1]"
            || host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
    }

    /// As the operator may write it.
    package var text: String { repositories == .standard ? name : "\(name)/\(repositories.path)" }

    /// The root of its API over `scheme`. Docker Hub has its API on another host than its name.
    package func url(_ scheme: Scheme) -> String {
        "\(scheme.rawValue)://\(name == "docker.io" ? "registry-1.docker.io" : name)"
    }
}
