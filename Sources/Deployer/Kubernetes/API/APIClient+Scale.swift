import Kubernetes
import Service
import Transfer

extension APIClient {
    /// The name under which Kiln owns the number of Pods, so that an apply which does not mention it leaves it alone.
    package static let scaleManager = "kiln-scale"

    /// Gives the Deployment `name` so many Pods, whoever owns the number.
    package func scale(_ name: String, in namespace: String, to replicas: Int) async throws(APIError) {
        var call = APICall(
            method: .patch, path: Deployment.resource.path(namespace: namespace, name: name, subresource: "scale"),
            query: [("fieldManager", Self.scaleManager), ("force", "true")],
            contentType: "application/apply-patch+yaml", action: "scale \(Self.title(Deployment.self, name))")
        call.body = try encode(Scale(name: name, namespace: namespace, replicas: replicas), call)
        _ = try await send(call)
    }

    /// What is applied to the `scale` part of an object (`autoscaling/v1`).
    private struct Scale: Encodable {
        struct Spec: Encodable {
            var replicas: Int
        }
        let apiVersion = "autoscaling/v1"
        let kind = "Scale"
        var metadata: ObjectMeta
        var spec: Spec

        init(name: String, namespace: String, replicas: Int) {
            metadata = ObjectMeta(name: name, namespace: namespace)
            spec = Spec(replicas: replicas)
        }
    }
}
