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

    /// The values of the header field `name`, as one list (RFC 9110 §5.3); empty when there is none.
    package func field(_ name: String) -> String { headers[name].joined(separator: ", ") }

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

/// Makes request ids: 16 lower-case hexadecimal digits.
package enum RequestID {
    /// A new id.
    package static func make() -> String {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
