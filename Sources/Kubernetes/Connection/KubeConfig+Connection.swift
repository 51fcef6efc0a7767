import FoundationEssentials
import Transfer

extension KubeConfig {
    /// The way to the cluster of `context`, or of the current one; throws ``APIError`` naming what is missing or not supported.
    package func connection(context name: String? = nil) throws(APIError) -> ClusterConnection {
        guard let name = name ?? currentContext else {
            throw APIError(.connection, "The kubeconfig has no current context. Name one of: \(Self.list(contexts)).")
        }
        guard let context = contexts[name] else {
            throw APIError(.connection, "The kubeconfig has no context '\(name)'. There is: \(Self.list(contexts)).")
        }
        guard let cluster = context.cluster.flatMap({ clusters[$0] }) else {
            throw APIError(
                .connection, "Context '\(name)' names cluster '\(context.cluster ?? "")', which the kubeconfig lacks.")
        }
        var user = User()
        if let wanted = context.user, !wanted.isEmpty {
            guard let found = users[wanted] else {
                throw APIError(.connection, "Context '\(name)' names user '\(wanted)', which the kubeconfig lacks.")
            }
            user = found
        }
        let server = try Self.server(cluster, context: name)
        return ClusterConnection(
            server: server, trust: try Self.trust(cluster),
            proxy: cluster.proxy.flatMap { $0.isEmpty ? nil : .proxy(url: $0, exceptions: []) } ?? .direct,
            credentials: try Self.credentials(user, name: context.user ?? "", cluster: cluster, server: server),
            namespace: context.namespace.flatMap { $0.isEmpty ? nil : $0 } ?? "default")
    }

    private static func server(_ cluster: Cluster, context: String) throws(APIError) -> String {
        guard let text = cluster.server, let address = WebAddress(text) else {
            throw APIError(
                .connection, "The cluster of context '\(context)' has no usable server: '\(cluster.server ?? "")'.")
        }
        if cluster.skipsVerification == true {
            throw APIError(
                .connection,
                "The cluster of context '\(context)' says insecure-skip-tls-verify, and Kiln always verifies. Give the cluster's "
                    + "authority as certificate-authority-data instead.")
        }
        if let name = cluster.serverName, !name.isEmpty {
            throw APIError(
                .connection,
                "The cluster of context '\(context)' says tls-server-name, which Kiln does not support. Give the server by a name "
                    + "that is in its certificate ('\(name)').")
        }
        return String(address.text.hasSuffix("/") ? address.text.dropLast() : address.text[...])
    }

    private static func trust(_ cluster: Cluster) throws(APIError) -> TLSSettings.Trust {
        let pem = try content(data: cluster.authorityData, file: cluster.authorityFile, what: "certificate-authority")
        return pem.map { .onlyCertificates(pem: $0) } ?? .system
    }

    private static func credentials(
        _ user: User, name: String, cluster: Cluster, server: String
    ) throws(APIError) -> ClusterCredentials {
        func refuse(_ reason: String) -> APIError { APIError(.connection, "User '\(name)': \(reason)") }
        if let provider = user.authProvider {
            throw refuse(
                "auth-provider '\(provider.name ?? "")' is gone from Kubernetes since 1.26; use an exec plugin.")
        }
        if user.username != nil { throw refuse("a password is gone from Kubernetes since 1.19; use a token.") }
        if user.impersonated != nil { throw refuse("'as' is not supported; give Kiln a user of its own.") }
        var credentials = ClusterCredentials()
        let certificate = try content(
            data: user.certificateData, file: user.certificateFile, what: "client-certificate")
        let key = try content(data: user.keyData, file: user.keyFile, what: "client-key")
        switch (certificate, key) {
        case (let certificate?, let key?):
            credentials.identity = TLSSettings.Identity(certificate: certificate, key: key)
        case (nil, nil): break
        case (nil, _): throw refuse("a client-key without its client-certificate is of no use.")
        case (_, nil): throw refuse("a client-certificate without its client-key is of no use.")
        }
        if let path = user.tokenFile, !path.isEmpty {
            credentials.bearer = .file(path: path)
        } else if let token = user.token, !token.isEmpty {
            credentials.bearer = .token(token)
        } else if let exec = user.exec {
            credentials.bearer = .plugin(try ExecPlugin(exec, user: name, cluster: cluster, server: server))
        }
        return credentials
    }

    /// The bytes of an entry that is given in place (base64) or as a file; what is in place counts.
    private static func content(data: String?, file: String?, what: String) throws(APIError) -> [UInt8]? {
        if let data, !data.isEmpty {
            guard let bytes = Data(base64Encoded: data) else {
                throw APIError(.connection, "The kubeconfig's \(what)-data is not base64.")
            }
            return Array(bytes)
        }
        guard let file, !file.isEmpty else { return nil }
        do {
            return Array(try Data(contentsOf: URL(filePath: file)))
        } catch {
            throw APIError(.connection, "The kubeconfig's \(what) \(file) cannot be read.", cause: error)
        }
    }

    private static func list(_ contexts: [String: Context]) -> String {
        contexts.isEmpty ? "none" : contexts.keys.sorted().joined(separator: ", ")
    }
}
