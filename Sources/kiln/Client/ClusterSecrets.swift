import ArgumentParser
import Client
import Contract
import FoundationEssentials
import Kubernetes
import Logging
import Service
import Transfer

/// The secrets of a cluster's functions: the keys of one Secret in their namespace, to which Pods refer.
struct ClusterSecrets: SecretKeeper {
    /// The Secret. The Deployer's Pods refer to it by this name.
    private static let object = "kiln-secrets"
    private static let resource = APIResource(group: "", version: "v1", plural: "secrets", kind: "Secret")

    private let api: APIClient
    private let namespace: String

    init(_ options: ClusterOptions) throws(ClientError) {
        do {
            namespace = try options.functions()
            var configuration = APIClient.Configuration()
            // Somebody waits at a terminal.
            configuration.retry = RetryPolicy(
                attempts: 3, firstPause: .milliseconds(200), longestPause: .seconds(1), deadline: .seconds(5))
            api = try APIClient(
                try options.connection(), configuration, logger: Logger(label: "kiln") { _ in SwiftLogNoOpLogHandler() }
            )
        } catch {
            throw ClientError(.usage, "\(error)")
        }
    }

    var place: String { "Secret \(namespace)/\(Self.object)" }
    var document: (key: String, value: JSONValue) { ("namespace", .string(namespace)) }

    func set(_ name: String, _ value: [UInt8]) async throws(ClientError) {
        let text = Data(value).base64EncodedString()
        let action = "store the secret \(name)"
        guard try await !patch(["data": [name: text]], action) else { return }
        let secret = Made(
            metadata: ObjectMeta(
                name: Self.object, namespace: namespace,
                labels: [
                    "app.kubernetes.io/name": "kiln", "app.kubernetes.io/part-of": "kiln",
                    "app.kubernetes.io/managed-by": "kiln", "app.kubernetes.io/component": "secrets",
                ]), data: [name: text])
        do throws(APIError) {
            _ = try await api.create(secret)
        } catch {
            guard error.code == .alreadyExists else { throw Self.failure(error) }
            _ = try await patch(["data": [name: text]], action)
        }
    }

    func names() async throws(ClientError) -> [String] {
        do throws(APIError) {
            let secret = try await api.get(Read.self, Self.object, in: namespace)
            return (secret?.data ?? [:]).keys.sorted()
        } catch {
            throw Self.failure(error)
        }
    }

    /// All values by name.
    func values() async throws(ClientError) -> [String: [UInt8]] {
        do throws(APIError) {
            let secret = try await api.get(Made.self, Self.object, in: namespace)
            return (secret?.data ?? [:]).compactMapValues { Data(base64Encoded: $0).map { Array($0) } }
        } catch {
            throw Self.failure(error)
        }
    }

    func remove(_ name: String) async throws(ClientError) {
        guard try await names().contains(name) else {
            throw ClientError(
                .notFound,
                "There is no secret '\(name)'. 'kiln secret list --kubernetes' prints what there is.")
        }
        _ = try await patch(["data": [name: String?.none]], "remove the secret \(name)")
    }

    /// Changes only what `change` names; `false` when there is no Secret yet.
    private func patch(_ change: [String: [String: String?]], _ action: String) async throws(ClientError) -> Bool {
        do throws(APIError) {
            var call = APICall(
                method: .patch, path: Self.resource.path(namespace: namespace, name: Self.object),
                query: [("fieldManager", APIClient.fieldManager)], contentType: "application/merge-patch+json",
                action: action)
            call.body = try api.encode(change, call)
            _ = try await api.send(call)
            return true
        } catch {
            guard error.code == .notFound else { throw Self.failure(error) }
            return false
        }
    }

    private static func failure(_ error: APIError) -> ClientError {
        switch error.code {
        case .unauthorized, .forbidden: ClientError(.denied, error.message)
        case .unreachable, .failed, .busy: ClientError(.unreachable, error.message)
        default: ClientError(.failed, error.message)
        }
    }

    /// The Secret as it is made.
    private struct Made: KubernetesObject {
        static let resource = ClusterSecrets.resource
        var metadata: ObjectMeta
        var type = "Opaque"
        var data: [String: String]
    }

    /// The Secret as it is read: values are passed over.
    private struct Read: KubernetesObject {
        struct Hidden: Codable, Sendable {
            init(from decoder: any Decoder) throws {}
            func encode(to encoder: any Encoder) throws {}
        }
        static let resource = ClusterSecrets.resource
        var metadata: ObjectMeta
        var data: [String: Hidden]?
    }
}
