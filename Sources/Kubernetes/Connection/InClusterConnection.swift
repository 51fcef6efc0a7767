import FoundationEssentials
import Transfer

extension ClusterConnection {
    /// Where Kubernetes puts a Pod's service account.
    package static let serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// The way from a Pod to the cluster it runs in, as its service account: the address from `environment`
    /// (`KUBERNETES_SERVICE_HOST` and `…_PORT`), token, authority and namespace from `directory`. The token is read again as it
    /// rotates. `nil` when this is no Pod.
    package static func inCluster(
        environment: [String: String], directory: String = serviceAccountDirectory
    ) throws(APIError) -> ClusterConnection? {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], !host.isEmpty,
            let port = environment["KUBERNETES_SERVICE_PORT"], !port.isEmpty
        else { return nil }
        func read(_ name: String) throws(APIError) -> [UInt8] {
            do {
                return Array(try Data(contentsOf: URL(filePath: "\(directory)/\(name)")))
            } catch {
                throw APIError(
                    .connection,
                    "This Pod has no service account at \(directory): \(name) cannot be read. Set automountServiceAccountToken.",
                    cause: error)
            }
        }
        _ = try read("token")
        let authority = try read("ca.crt")
        let namespace = String(decoding: try read("namespace"), as: UTF8.self)
        return ClusterConnection(
            server: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)",
            trust: .onlyCertificates(pem: authority),
            credentials: ClusterCredentials(bearer: .file(path: "\(directory)/token")),
            namespace: String(namespace.filter { !$0.isWhitespace }))
    }
}
