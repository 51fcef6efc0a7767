import Client
import Contract
import Transfer

/// A function's CORS in words.
enum CORSText {
    /// Lines of `kiln show`.
    static func facts(_ value: JSONValue) -> [(String, String?)] {
        func list(_ key: String) -> String? {
            value[key]?.array.map { $0.compactMap(\.string).joined(separator: ", ") }
        }
        let more: [String?] = [
            list("methods").map { "methods \($0)" }, list("headers").map { "headers \($0)" },
            list("expose").map { "exposes \($0)" }, value["credentials"] == .bool(true) ? "with credentials" : nil,
            value["maxAgeSeconds"]?.integer.map { "for \($0) s" },
        ]
        return [("CORS", ([list("origins")] + more).compactMap(\.self).joined(separator: "; "))]
    }
}
