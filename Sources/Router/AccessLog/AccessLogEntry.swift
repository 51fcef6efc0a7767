import Contract
import Telemetry

/// What a line of the access log looks like.
package enum AccessLogFormat: String, Sendable, CaseIterable {
    /// A JSON object, with all that is known.
    case json
    /// The Common Log Format, for tools that read what other servers write.
    case common
}

/// One request that is over, as a line of the access log.
struct AccessLogEntry {
    var time: Timestamp
    var requestID: String
    var client: String
    var method: String
    /// Path and query as they came.
    var target: String
    /// Which HTTP the client spoke: `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    var version: String
    /// The status that the client was sent; 0: it went before there was one.
    var status: Int
    /// Why the Router answered itself; `nil` when it did not.
    var reason: String?
    var function: String?
    var instance: String?
    /// From the request's head to the end of the response.
    var nanoseconds: Int64
    /// How much of that went by before an instance got it.
    var waitedNanoseconds: Int64
    /// Bytes of the body that the client was sent, or of what passed through its WebSocket that way.
    var bytes: Int

    /// The line, with its line feed.
    func line(_ format: AccessLogFormat) -> [UInt8] {
        switch format {
        case .json: json
        case .common: common
        }
    }

    /// A JSON object.
    private var json: [UInt8] {
        var out = Array("{\"time\":\"\(time)\",\"requestId\":".utf8)
        JSONText.write(requestID, &out)
        out += ",\"client\":".utf8
        JSONText.write(client, &out)
        out += ",\"method\":".utf8
        JSONText.write(method, &out)
        out += ",\"target\":".utf8
        JSONText.write(target, &out)
        out += ",\"protocol\":\"\(version)\"".utf8
        out += ",\"status\":\(status),\"milliseconds\":\(Self.milliseconds(nanoseconds))".utf8
        out += ",\"waitedMilliseconds\":\(Self.milliseconds(waitedNanoseconds)),\"bytes\":\(bytes)".utf8
        for (name, value) in [("function", function), ("instance", instance), ("reason", reason)] {
            guard let value else { continue }
            out += ",\"\(name)\":".utf8
            JSONText.write(value, &out)
        }
        out += "}\n".utf8
        return out
    }

    /// The Common Log Format (httpd.apache.org/docs/2.4/logs.html#common); of the user nothing is known.
    private var common: [UInt8] {
        var out: [UInt8] = []
        Self.writeEscaped(client, &out)
        out += " - - [\(time.commonLog)] \"".utf8
        Self.writeEscaped("\(method) \(target) \(version == "HTTP/2" ? "HTTP/2.0" : version)", &out)
        // A client that has gone before an answer: what others log for that.
        out += "\" \(status == 0 ? 499 : status) \(bytes)\n".utf8
        return out
    }

    /// What could end a field of the Common Log Format, or the line, as `\xHH`.
    private static func writeEscaped(_ text: String, _ out: inout [UInt8]) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0..<0x20, 0x7F...:
                out += "\\x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".utf8
            default: out.append(byte)
            }
        }
    }

    /// With three digits behind the point.
    private static func milliseconds(_ nanoseconds: Int64) -> String {
        let microseconds = max(0, nanoseconds) / 1000
        let rest = String(microseconds % 1000)
        return "\(microseconds / 1000).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
}
