/// The entries of a kubeconfig file, as they are written.
extension KubeConfig {
    struct File: Decodable {
        var kind: String?
        var currentContext: String?
        var clusters: [NamedCluster]?
        var users: [NamedUser]?
        var contexts: [NamedContext]?

        enum CodingKeys: String, CodingKey {
            case kind, clusters, users, contexts
            case currentContext = "current-context"
        }
    }

    struct NamedCluster: Decodable {
        var name: String
        var cluster: Cluster?
    }

    struct NamedUser: Decodable {
        var name: String
        var user: User?
    }

    struct NamedContext: Decodable {
        var name: String
        var context: Context?
    }

    /// An API server.
    struct Cluster: Decodable, Sendable, Hashable {
        var server: String?
        var authorityFile: String?
        var authorityData: String?
        var skipsVerification: Bool?
        var serverName: String?
        var proxy: String?

        enum CodingKeys: String, CodingKey {
            case server
            case authorityFile = "certificate-authority"
            case authorityData = "certificate-authority-data"
            case skipsVerification = "insecure-skip-tls-verify"
            case serverName = "tls-server-name"
            case proxy = "proxy-url"
        }

        func resolved(against directory: String) -> Cluster {
            var resolved = self
            resolved.authorityFile = authorityFile.map { KubeConfig.absolute($0, in: directory) }
            return resolved
        }
    }

    /// A caller.
    struct User: Decodable, Sendable, Hashable {
        var certificateFile: String?
        var certificateData: String?
        var keyFile: String?
        var keyData: String?
        var token: String?
        var tokenFile: String?
        var username: String?
        var exec: ExecPlugin.File?
        var authProvider: AuthProvider?
        var impersonated: String?

        enum CodingKeys: String, CodingKey {
            case token, tokenFile, username, exec
            case certificateFile = "client-certificate"
            case certificateData = "client-certificate-data"
            case keyFile = "client-key"
            case keyData = "client-key-data"
            case authProvider = "auth-provider"
            case impersonated = "as"
        }

        func resolved(against directory: String) -> User {
            var resolved = self
            resolved.certificateFile = certificateFile.map { KubeConfig.absolute($0, in: directory) }
            resolved.keyFile = keyFile.map { KubeConfig.absolute($0, in: directory) }
            resolved.tokenFile = tokenFile.map { KubeConfig.absolute($0, in: directory) }
            // A bare name is looked up in PATH; anything with a slash is a path.
            if let command = exec?.command, command.contains("/") {
                resolved.exec?.command = KubeConfig.absolute(command, in: directory)
            }
            return resolved
        }
    }

    /// A plug-in of a kind that Kubernetes 1.26 removed.
    struct AuthProvider: Decodable, Sendable, Hashable {
        var name: String?
    }

    /// A cluster, a user and a namespace.
    struct Context: Decodable, Sendable, Hashable {
        var cluster: String?
        var user: String?
        var namespace: String?
    }

    fileprivate static func absolute(_ path: String, in directory: String) -> String {
        path.isEmpty || path.hasPrefix("/") ? path : "\(directory)/\(path)"
    }
}
