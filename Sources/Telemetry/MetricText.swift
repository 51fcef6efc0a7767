/// The Prometheus text format, version 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
package enum MetricText {
    /// The media type of what ``encode(_:)`` writes.
    package static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    /// Writes `families` in the order of their names; of those without a sample yet, what they are.
    package static func encode(_ families: [MetricFamily]) -> [UInt8] {
        var out: [UInt8] = []
        for family in families.sorted(by: { $0.name < $1.name }) {
            out += "# HELP \(family.name) \(escape(family.help, quotes: false))\n".utf8
            out += "# TYPE \(family.name) \(family.kind.rawValue)\n".utf8
            for sample in family.samples { write(sample, of: family.name, into: &out) }
        }
        return out
    }

    /// Puts together what several roles have encoded: a family that more than one has is written once, with the samples of all.
    ///
    /// Only for text that ``encode(_:)`` wrote, in which a family begins with its `# HELP` line.
    package static func merge(_ texts: [[UInt8]]) -> [UInt8] {
        var blocks: [String: (head: [Substring], samples: [Substring])] = [:]
        for text in texts {
            var current = ""
            for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
                if line.hasPrefix("# HELP ") {
                    current = String(line.dropFirst(7).prefix { $0 != " " })
                    if blocks[current] == nil { blocks[current] = ([line], []) }
                } else if line.hasPrefix("# TYPE ") {
                    if blocks[current]?.head.count == 1 { blocks[current]?.head.append(line) }
                } else {
                    blocks[current]?.samples.append(line)
                }
            }
        }
        var out: [UInt8] = []
        for (_, block) in blocks.sorted(by: { $0.key < $1.key }) {
            for line in block.head + block.samples {
                out += line.utf8
                out.append(UInt8(ascii: "\n"))
            }
        }
        return out
    }

    /// A number as Prometheus reads it: whole ones without a point.
    package static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 9_007_199_254_740_992 { return String(Int64(value)) }
        return "\(value)"
    }

    private static func write(_ sample: MetricFamily.Sample, of name: String, into out: inout [UInt8]) {
        out += name.utf8
        out += sample.suffix.utf8
        if !sample.labels.isEmpty {
            out.append(UInt8(ascii: "{"))
            for (index, label) in sample.labels.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                out += label.name.utf8
                out += "=\"".utf8
                out += escape(label.value, quotes: true).utf8
                out.append(UInt8(ascii: "\""))
            }
            out.append(UInt8(ascii: "}"))
        }
        out.append(UInt8(ascii: " "))
        out += number(sample.value).utf8
        out.append(UInt8(ascii: "\n"))
    }

    /// Backslashes and line feeds are escaped, in label values quotation marks too.
    private static func escape(_ text: String, quotes: Bool) -> String {
        guard text.utf8.contains(where: { $0 == 92 || $0 == 10 || (quotes && $0 == 34) }) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
