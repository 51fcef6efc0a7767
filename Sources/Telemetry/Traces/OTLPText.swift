/// Spans in the JSON encoding of OTLP 1.x (opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): ids in hexadecimal, 64-bit numbers as
/// text, enumerations as numbers.
package enum OTLPText {
    /// The media type of what ``encode(_:resource:scope:)`` writes.
    package static let mediaType = "application/json"

    /// An `ExportTraceServiceRequest` with `spans`, which `resource` has made. `scope` names the code and its version.
    package static func encode(
        _ spans: [Span], resource: [(key: String, value: String)], scope: (name: String, version: String)
    ) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(spans.count * 1024)
        out += "{\"resourceSpans\":[{\"resource\":{\"attributes\":".utf8
        write(resource.map { ($0.key, .text($0.value)) }, &out)
        out += "},\"scopeSpans\":[{\"scope\":{\"name\":".utf8
        JSONText.write(scope.name, &out)
        out += ",\"version\":".utf8
        JSONText.write(scope.version, &out)
        out += "},\"spans\":[".utf8
        for (index, span) in spans.enumerated() {
            if index > 0 { out.append(comma) }
            write(span, &out)
        }
        out += "]}]}]}".utf8
        return out
    }

    private static let comma = UInt8(ascii: ",")

    private static func write(_ span: Span, _ out: inout [UInt8]) {
        out += "{\"traceId\":\"\(span.context.traceText)\",\"spanId\":\"".utf8
        out += "\(TraceContext.hexadecimal(span.context.span))\"".utf8
        if let parent = span.parent { out += ",\"parentSpanId\":\"\(TraceContext.hexadecimal(parent))\"".utf8 }
        // W3C's flags; 0x100: it is known whether the parent is remote; 0x200: it is.
        let flags = (span.context.isSampled ? 1 : 0) | 0x100 | (span.hasRemoteParent ? 0x200 : 0)
        out += ",\"flags\":\(flags),\"name\":".utf8
        JSONText.write(span.name, &out)
        out += ",\"kind\":\(span.kind.rawValue),\"startTimeUnixNano\":\"\(span.start)\"".utf8
        out += ",\"endTimeUnixNano\":\"\(span.end)\",\"attributes\":".utf8
        write(span.attributes, &out)
        if !span.events.isEmpty {
            out += ",\"events\":[".utf8
            for (index, event) in span.events.enumerated() {
                if index > 0 { out.append(comma) }
                out += "{\"timeUnixNano\":\"\(event.time)\",\"name\":".utf8
                JSONText.write(event.name, &out)
                out += "}".utf8
            }
            out += "]".utf8
        }
        out += ",\"status\":\(span.isError ? "{\"code\":2}" : "{}")}".utf8
    }

    private static func write(_ attributes: [(key: String, value: Span.Value)], _ out: inout [UInt8]) {
        out += "[".utf8
        for (index, attribute) in attributes.enumerated() {
            if index > 0 { out.append(comma) }
            out += "{\"key\":".utf8
            JSONText.write(attribute.key, &out)
            switch attribute.value {
            case .text(let text):
                out += ",\"value\":{\"stringValue\":".utf8
                JSONText.write(text, &out)
                out += "}}".utf8
            case .integer(let number): out += ",\"value\":{\"intValue\":\"\(number)\"}}".utf8
            }
        }
        out += "]".utf8
    }
}
