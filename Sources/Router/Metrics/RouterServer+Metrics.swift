import NIOCore
import Telemetry

extension RouterServer {
    /// The Router's metrics, added up over its event loops. Each loop copies its own numbers when its turn comes; requests are not held up.
    package func metrics() async throws -> [MetricFamily] { try await core.metrics() }
}

extension RouterCore {
    func metrics() async throws -> [MetricFamily] {
        var sum = WorkerFigures()
        for figures in try await figures() { sum.add(figures) }
        let (waiting, routed) = waitingRequests(limit: metricFunctions)
        return sum.families(waiting: waiting, functions: routed) + sum.http2Families() + sum.tlsFamilies()
            + CertificateStore.families(certificates?.figures)
    }
}
