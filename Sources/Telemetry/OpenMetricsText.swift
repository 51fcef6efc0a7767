/// The OpenMetrics text format, version 1.0
/// (https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md).
package enum OpenMetricsText {
    /// The media type of what ``encode(_:)`` writes.
    package static let mediaType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    /// Whether a client whose `Accept` field is `accept` is to get this format: it names it, and not with `q=0`.
    package static func isAccepted(_ accept: String) -> Bool {
        accept.split(separator: ",").contains { item in
            let parts = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard parts.first == "application/openmetrics-text" else { return false }
            let version = parts.first { $0.hasPrefix("version=") } ?? "version=1.0.0"
            let quality = parts.first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            return quality > 0 && ["version=1.0.0", "version=0.0.1"].contains(version)
        }
    }

    /// What ``MetricText/encode(_:)`` wrote, in this format: a counter's family is named without `_total`, and the end is marked.
    package static func encode(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count + 64)
        var help: (name: Substring, line: Substring)?
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            if line.hasPrefix("# HELP ") {
                let rest = line.dropFirst(7)
                let name = rest.prefix { $0 != " " }
                help = (name, rest.dropFirst(name.count))
                continue
            }
            if line.hasPrefix("# TYPE "), let (name, text) = help {
                let kind = line.dropFirst(7 + name.count)
                let family = kind == " counter" && name.hasSuffix("_total") ? name.dropLast(6) : name
                out += "# HELP \(family)\(quoted(text))\n# TYPE \(family)\(kind)\n".utf8
                continue
            }
            out += line.utf8
            out.append(UInt8(ascii: "\n"))
        }
        return out + Array("# EOF\n".utf8)
    }

    /// Quotation marks are escaped here in help texts too.
    private static func quoted(_ text: Substring) -> String {
        text.contains("\"")
            ? text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") : String(text)
    }
}
