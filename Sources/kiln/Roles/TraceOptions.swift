import ArgumentParser
import Contract
import FoundationEssentials
import Logging
import OTLP
import Telemetry
import Transfer

/// Whether requests are recorded as spans; options of `kiln router` and `kiln up` alike.
struct TraceOptions: ParsableArguments {
    /// How many spans may wait to be sent unless told otherwise.
    static let defaultQueue = 8192

    @Option(
        help: ArgumentHelp(
            "A collector that gets spans of requests, by OTLP over HTTP, e.g. http://127.0.0.1:4318 (default: none).",
            valueName: "url"))
    var otlpEndpoint: String?

    @Option(
        help: ArgumentHelp(
            "Of the traces that begin here, the part that is recorded, 0 to 1; others' wish is kept (default: 1).",
            valueName: "fraction"))
    var traceSample: Double?

    @Option(
        help: ArgumentHelp(
            "Spans that may wait to be sent; those beyond are dropped (default: \(Self.defaultQueue)).",
            valueName: "number"))
    var maxTraceQueue: Int?

    /// What records and sends spans; `nil` when nobody is to get any. Throws a sentence about what cannot be.
    func exporter(_ service: String, instance: String, logger: Logger) throws -> (Tracing, SpanExporter)? {
        let fraction = try Setting.fraction(traceSample, "--trace-sample")
        let limit = try Setting.number(maxTraceQueue, "--max-trace-queue", in: 1...1_000_000) ?? Self.defaultQueue
        guard let endpoint = otlpEndpoint ?? Setting.optional("OTLP_ENDPOINT") else { return nil }
        guard let url = SpanExporter.url(endpoint) else {
            throw StartError(
                "--otlp-endpoint cannot be '\(endpoint)': use the URL of a collector that takes OTLP over HTTP, e.g. "
                    + "http://127.0.0.1:4318.")
        }
        var configuration = SpanExporter.Configuration(
            url: url,
            resource: [
                ("service.name", service), ("service.version", Version.text), ("service.instance.id", instance),
            ],
            version: Version.text)
        configuration.headers = try headers()
        let queue = SpanQueue(limit: limit, batch: SpanExporter.batch)
        return (
            Tracing(queue, fraction: fraction),
            SpanExporter(queue, client: try HTTPClient(), configuration, logger: logger)
        )
    }

    /// Throws what ``exporter(_:instance:logger:)`` would.
    func check() throws { _ = try exporter("", instance: "", logger: Logger(label: "check")) }

    /// Secrets, which belong into no list of processes: `KILN_OTLP_HEADERS` has `name=value`, several separated by commas.
    private func headers() throws -> [(name: String, value: String)] {
        guard let text = Setting.optional("OTLP_HEADERS") else { return [] }
        return try text.split(separator: ",").map { item in
            let halves = item.split(separator: "=", maxSplits: 1)
            var fields = HeaderFields()
            guard halves.count == 2 else { throw Self.invalidHeaders }
            let name = halves[0].filter { $0 != " " }
            fields.append(name, String(halves[1]))
            guard !name.isEmpty, fields.isSendable else { throw Self.invalidHeaders }
            return (name, String(halves[1]))
        }
    }

    private static var invalidHeaders: StartError {
        StartError("KILN_OTLP_HEADERS cannot be read: write name=value, several separated by commas.")
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        ChildArguments.option("--otlp-endpoint", otlpEndpoint) + ChildArguments.option("--trace-sample", traceSample)
            + ChildArguments.option("--max-trace-queue", maxTraceQueue)
    }
}
