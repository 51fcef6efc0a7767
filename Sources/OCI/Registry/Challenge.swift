/// One way in that a registry offers with a 401 (RFC 9110 §11.6.1).
struct Challenge: Hashable {
    /// The scheme in lower case, e.g. `bearer`.
    var scheme: String
    /// The parameters, with names in lower case.
    var parameters: [String: String] = [:]

    /// All challenges in the values of `WWW-Authenticate`. One value may hold several, and values need no quotes: both
    /// occur.
    static func parse(_ values: [String]) -> [Challenge] {
        values.flatMap { value in
            var scanner = Scanner(rest: Array(value.utf8)[...])
            return scanner.challenges()
        }
    }

    private struct Scanner {
        var rest: ArraySlice<UInt8>

        mutating func challenges() -> [Challenge] {
            var result: [Challenge] = []
            while true {
                skip { $0 == 32 || $0 == 9 || $0 == UInt8(ascii: ",") }
                let word = take { !" \t,=\"".utf8.contains($0) }
                guard !word.isEmpty else {
                    // A stray quote or equals sign, as at the end of token68 credentials.
                    guard !rest.isEmpty else { return result }
                    rest = rest.dropFirst()
                    continue
                }
                skip { $0 == 32 || $0 == 9 }
                if rest.first == UInt8(ascii: "="), !result.isEmpty {
                    rest = rest.dropFirst()
                    result[result.count - 1].parameters[word.lowercased()] = value()
                } else {
                    result.append(Challenge(scheme: word.lowercased()))
                }
            }
        }

        private mutating func value() -> String {
            skip { $0 == 32 || $0 == 9 }
            guard rest.first == UInt8(ascii: "\"") else { return take { !" \t,".utf8.contains($0) } }
            rest = rest.dropFirst()
            var bytes: [UInt8] = []
            while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
                if byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() {
                    bytes.append(escaped)
                } else {
                    bytes.append(byte)
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        private mutating func take(while matches: (UInt8) -> Bool) -> String {
            let word = rest.prefix(while: matches)
            rest = rest.dropFirst(word.count)
            return String(decoding: word, as: UTF8.self)
        }

        private mutating func skip(while matches: (UInt8) -> Bool) { rest = rest.drop(while: matches) }
    }
}
