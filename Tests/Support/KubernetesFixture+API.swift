package import Kubernetes
import Logging
internal import Transfer

extension KubernetesFixture {
    /// A client without a rate limit worth mentioning and with short pauses.
    package func api(
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
