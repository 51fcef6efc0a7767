import Contract
import NIOHTTP1

/// A request to one of the roles, its head parsed and its body still to be read.
package struct ServiceRequest: Sendable {
    /// The id that every log line and error of this request carries: `X-Request-Id`, or one made here.
    package let id: String
    /// The method, upper case.
    package let method: String
    /// The path's segments, percent-decoded, without empty ones at the end.
    package let path: [String]
    /// The query's items in order, percent-decoded; `+` stays a plus (RFC 3986).
    package let query: [(name: String, value: String)]
    /// The header fields.
    package let headers: HTTPHeaders
    /// The body.
    package let body: RequestBody

    init(head: HTTPRequestHead, body: RequestBody) throws(Problem) {
        id = head.headers.first(name: "X-Request-Id").flatMap { $0.utf8.count <= 128 ? $0 : nil } ?? RequestID.make()
        method = head.method.rawValue
        headers = head.headers
        self.body = body
        let target = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var path: [String] = []
        for segment in (target.first ?? "").split(separator: "/", omittingEmptySubsequences: true) {
            path.append(try PercentEncoding.decode(segment))
        }
        self.path = path
        var query: [(name: String, value: String)] = []
        for item in target.count == 2 ? target[1].split(separator: "&") : [] {
            let halves = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            query.append(
                (try PercentEncoding.decode(halves[0]), halves.count == 2 ? try PercentEncoding.decode(halves[1]) : ""))
        }
        self.query = query
    }

    /// `path` as the client has to write it: with the scheme and authority that the Router was asked under, when it says so.
    package func externalURL(_ path: String) -> String {
        guard let host = headers.first(name: "X-Forwarded-Host"), !host.isEmpty else { return path }
        return "\(headers.first(name: "X-Forwarded-Proto") ?? "http")://\(host)\(path)"
    }

    /// The value of the query item `name`, when it is given exactly once; throws a 400 for a repeated one.
    package func queryItem(_ name: String) throws(Problem) -> String? {
        let values = query.filter { $0.name == name }
        guard values.count <= 1 else {
            throw Problem("invalid-option", 400, "Invalid option", "Option '\(name)' is given twice.")
        }
        return values.first?.value
    }

    /// Throws a 400 when the query has an item that is not in `names`.
    package func allowQueryItems(_ names: Set<String>) throws(Problem) {
        guard let unknown = query.first(where: { !names.contains($0.name) }) else { return }
        let known = names.isEmpty ? "This call takes none." : "There is \(names.sorted().joined(separator: ", "))."
        throw Problem(
            "invalid-option", 400, "Invalid option", "There is no option '\(unknown.name.prefix(80))'. \(known)")
    }
}

/// Percent-encoding (RFC 3986 §2.1).
package enum PercentEncoding {
    /// The text behind `encoded`; throws a 400 for a broken escape or bytes that are not UTF-8.
    package static func decode(_ encoded: Substring) throws(Problem) -> String {
        var bytes: [UInt8] = []
        var iterator = encoded.utf8.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(hexadecimal), let low = iterator.next().flatMap(hexadecimal) else {
                throw invalid(encoded)
            }
            bytes.append(high << 4 | low)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw invalid(encoded) }
        return text
    }

    /// `text` with everything but unreserved characters escaped.
    package static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                result += byte < 16 ? "%0\(hex)" : "%\(hex)"
            }
        }
        return result
    }

    private static func invalid(_ text: Substring) -> Problem {
        Problem(
            "invalid-target", 400, "Invalid request target",
            "'\(text.prefix(80))' is not percent-encoded UTF-8 (RFC 3986 §2.1).")
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}

/// Makes request ids: 16 lower-case hexadecimal digits.
package enum RequestID {
    /// A new id.
    package static func make() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
