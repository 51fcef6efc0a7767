import FoundationEssentials
import Logging
import Telemetry
import Transfer

/// Sends spans to a collector by OTLP over HTTP (opentelemetry.io/docs/specs/otlp/#otlphttp): `POST …/v1/traces` with JSON.
///
/// A call has at most ``batch`` spans. It is repeated as OTLP asks for, after 429, 502, 503 and 504 and when there is no answer, with growing
/// pauses or the one that `Retry-After` names; what is not taken in time is dropped, and counted. Meanwhile the queue bounds what waits.
package final class SpanExporter: Sendable {
    /// The most spans of a call.
    package static let batch = 512

    /// Where and as what spans are sent.
    package struct Configuration: Sendable {
        /// The URL that is called.
        package var url: String
        /// Fields of each call, for a collector that asks for a token.
        package var headers: [(name: String, value: String)] = []
        /// What the spans are of: `service.name` and the like.
        package var resource: [(key: String, value: String)]
        /// This build.
        package var version: String
        /// The longest that spans wait to be sent.
        package var interval: Duration = .seconds(1)
        /// The longest that one call takes.
        package var timeout: Duration = .seconds(10)
        /// When calls are repeated.
        package var retry = RetryPolicy(
            attempts: 5, firstPause: .seconds(1), longestPause: .seconds(16), deadline: .seconds(60),
            statuses: [429, 502, 503, 504])

        /// Calls of `url`.
        package init(url: String, resource: [(key: String, value: String)], version: String) {
            self.url = url
            self.resource = resource
            self.version = version
        }
    }

    private let queue: SpanQueue
    private let client: HTTPClient
    private let configuration: Configuration
    private let logger: Logger

    /// An exporter of what is in `queue`.
    package init(_ queue: SpanQueue, client: HTTPClient, _ configuration: Configuration, logger: Logger) {
        self.queue = queue
        self.client = client
        self.configuration = configuration
        self.logger = logger
    }

    /// The URL that is called of a collector at `endpoint`: what OpenTelemetry's own exporters make of it. `nil`: it is no URL.
    package static func url(_ endpoint: String) -> String? {
        guard let address = WebAddress(endpoint), !endpoint.contains("?"), !endpoint.contains("#") else { return nil }
        let text = "\(address)"
        guard text.hasPrefix("http://") || text.hasPrefix("https://") else { return nil }
        if text.hasSuffix("/v1/traces") { return text }
        return text + (text.hasSuffix("/") ? "" : "/") + "v1/traces"
    }

    /// Sends what comes, until the task is cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            let (ticks, tick) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            group.addTask { [queue] in for await _ in queue.wakes { tick.yield() } }
            group.addTask { [configuration] in
                while !Task.isCancelled {
                    try? await Task.sleep(for: configuration.interval)
                    tick.yield()
                }
            }
            var isReachable = true
            for await _ in ticks where !Task.isCancelled {
                await sendAll(configuration.retry, &isReachable)
            }
            group.cancelAll()
        }
    }

    /// Sends what is left, once, within `patience`: the process is about to end.
    package func flush(within patience: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                var isReachable = true
                await sendAll(.never, &isReachable)
            }
            group.addTask { try? await Task.sleep(for: patience) }
            await group.next()
            group.cancelAll()
        }
    }

    private func sendAll(_ policy: RetryPolicy, _ isReachable: inout Bool) async {
        while queue.count > 0, !Task.isCancelled {
            let spans = queue.take(Self.batch)
            guard !spans.isEmpty else { return }
            let failure = await send(spans, policy)
            if let failure, isReachable {
                logger.warning(
                    "spans are not taken by the collector (--otlp-endpoint)",
                    metadata: ["url": "\(configuration.url)", "error": "\(failure)"])
            } else if failure == nil, !isReachable {
                logger.info("spans are taken again", metadata: ["url": "\(configuration.url)"])
            }
            isReachable = failure == nil
        }
    }

    /// Sends one call; returns why it was not taken.
    private func send(_ spans: [Span], _ policy: RetryPolicy) async -> String? {
        var headers: HeaderFields = ["Content-Type": OTLPText.mediaType]
        for (name, value) in configuration.headers { headers.append(name, value) }
        let body = OTLPText.encode(
            spans, resource: configuration.resource, scope: (name: "kiln", version: configuration.version))
        let request = ClientRequest(
            .post, configuration.url, headers: headers, body: .bytes(body),
            timeouts: Timeouts(connect: .seconds(5), total: configuration.timeout, idle: nil))
        do throws(TransferError) {
            let answer = try await client.collect(request, limit: 64 << 10, retrying: policy)
            guard (200..<300).contains(answer.status) else {
                queue.count(failed: spans.count)
                return "\(answer.status) \(answer.text.prefix(200))"
            }
            let rejected = min(spans.count, Self.rejected(answer.body))
            queue.count(exported: spans.count - rejected, failed: rejected)
            return nil
        } catch {
            queue.count(failed: spans.count)
            return error.message
        }
    }

    /// How many of the spans a collector that answered 200 has not taken.
    private static func rejected(_ body: [UInt8]) -> Int {
        struct Answer: Decodable {
            struct Part: Decodable {
                /// A 64-bit number, as text or as a number.
                var rejectedSpans: Int?

                init(from decoder: any Decoder) throws {
                    let values = try decoder.container(keyedBy: Key.self)
                    if let text = try? values.decode(String.self, forKey: .rejectedSpans) {
                        rejectedSpans = Int(text)
                    } else {
                        rejectedSpans = try? values.decode(Int.self, forKey: .rejectedSpans)
                    }
                }

                private enum Key: CodingKey { case rejectedSpans }
            }
            var partialSuccess: Part?
        }
        let answer = try? JSONDecoder().decode(Answer.self, from: Data(body))
        return max(0, answer?.partialSuccess?.rejectedSpans ?? 0)
    }
}
