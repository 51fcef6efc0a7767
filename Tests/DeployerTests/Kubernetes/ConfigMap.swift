import Logging
import Support
import Transfer

@testable import Deployer

/// The simplest object there is, for tests of what is the same for all kinds.
struct ConfigMap: KubernetesObject, Hashable {
    static let resource = APIResource(group: "", version: "v1", plural: "configmaps", kind: "ConfigMap")
    var metadata: ObjectMeta
    var data: [String: String]?

    init(_ name: String, _ data: [String: String]? = nil, labels: [String: String]? = nil) {
        metadata = ObjectMeta(name: name, namespace: "functions", labels: labels)
        self.data = data
    }
}

extension KubernetesFixture {
    /// A client without a rate limit worth mentioning and with short pauses.
    func api(
        _ change: (inout APIClient.Configuration) -> Void = { _ in },
        credentials: ClusterCredentials = ClusterCredentials()
    ) throws -> APIClient {
        var configuration = APIClient.Configuration()
        configuration.callsPerSecond = 100_000
        configuration.burst = 100_000
        configuration.retry = RetryPolicy(
            attempts: 6, firstPause: .milliseconds(2), longestPause: .milliseconds(20), deadline: .seconds(30))
        change(&configuration)
        return try APIClient(
            ClusterConnection(server: url, credentials: credentials, namespace: "functions"), configuration,
            logger: Logger(label: "test"))
    }
}
