import Contract

/// Where a request goes, read from its raw target (RFC 9112 §3.2). Nothing is decoded, and what is passed on is passed
/// on byte by byte.
struct RequestTarget: Equatable {
    /// A destination of the Router's.
    enum Destination: Equatable {
        /// `/fn/NAME…` and `/fn/NAME@R…`, or anything under a host name of the function's; `prefix` is what the function doesn't see,
        /// e.g. `/fn/hello`, and empty under its host name.
        case function(name: String, revision: Int?, prefix: Range<Int>)
        /// `/func` itself.
        case functions
        /// Something below `/func/`.
        case functionRecord
        /// `/func/…/verify`
        case functionVerification
        /// `/func/…/rebake`
        case functionRebake
        /// `/base`
        case base
        /// `/gc`
        case collection
        /// `/healthz`
        case health
        /// `/readyz`
        case ready
        /// `/metrics`
        case metrics
        /// `/openapi.json`
        case description
        /// Anything else.
        case nothing
    }

    /// Where it goes.
    var destination: Destination
    /// What the destination sees as path and query; may be empty or begin with `?`, and then lacks its `/`.
    var forwarded: Range<Int>
    /// The authority of a target in absolute form, which overrides Host (RFC 9112 §3.2.2).
    var authority: Range<Int>?

    /// Reads the target that is at `range` of `bytes`.
    static func parse(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) throws(Reason) -> RequestTarget {
        var path = range
        var authority: Range<Int>?
        if bytes[range.lowerBound] != UInt8(ascii: "/") {
            if range.count == 1, bytes[range.lowerBound] == UInt8(ascii: "*") {
                return RequestTarget(destination: .nothing, forwarded: range)
            }
            (authority, path) = try absolute(bytes, range)
        }
        let end = path.upperBound
        var query = path.lowerBound
        while query < end, bytes[query] != UInt8(ascii: "?") { query += 1 }
        let pathOnly = path.lowerBound..<query
        guard !hasParentSegment(bytes.part(pathOnly)) else { throw .badTarget }
        var target = RequestTarget(destination: .nothing, forwarded: path, authority: authority)
        target.match(bytes, pathOnly, end: end)
        return target
    }

    /// The request came under the host name of the function `name`: all of the path is the function's. `*` stays the server's
    /// (RFC 9110, 9.3.7).
    mutating func belong(to name: String, _ bytes: UnsafeRawBufferPointer) {
        var whole = forwarded
        if case .function(_, _, let prefix) = destination { whole = prefix.lowerBound..<forwarded.upperBound }
        if whole.count == 1, bytes[whole.lowerBound] == UInt8(ascii: "*") { return }
        destination = .function(name: name, revision: nil, prefix: whole.lowerBound..<whole.lowerBound)
        forwarded = whole
    }

    private mutating func match(_ bytes: UnsafeRawBufferPointer, _ path: Range<Int>, end: Int) {
        let text = bytes.part(path)
        if Self.hasPrefix(text, "/fn/") {
            matchFunction(bytes, path, end: end)
        } else if Self.hasPrefix(text, "/func") {
            if text.count == 5 {
                destination = .functions
            } else if text[5] == UInt8(ascii: "/") {
                destination =
                    Self.hasSuffix(text, "/verify")
                    ? .functionVerification
                    : Self.hasSuffix(text, "/rebake") ? .functionRebake : .functionRecord
            }
        } else if text.count == 5, Self.hasPrefix(text, "/base") {
            destination = .base
        } else if text.count == 3, Self.hasPrefix(text, "/gc") {
            destination = .collection
        } else if text.count == 8, Self.hasPrefix(text, "/healthz") {
            destination = .health
        } else if text.count == 7, Self.hasPrefix(text, "/readyz") {
            destination = .ready
        } else if text.count == 8, Self.hasPrefix(text, "/metrics") {
            destination = .metrics
        } else if text.count == 13, Self.hasPrefix(text, "/openapi.json") {
            destination = .description
        }
    }

    private mutating func matchFunction(_ bytes: UnsafeRawBufferPointer, _ path: Range<Int>, end: Int) {
        let start = path.lowerBound + 4
        var position = start
        while position < path.upperBound, Self.isName(bytes[position]) { position += 1 }
        guard position > start, position - start <= FunctionName.maximumLength else { return }
        let name = start..<position
        var revision: Int?
        if position < path.upperBound, bytes[position] == UInt8(ascii: "@") {
            position += 1
            let digits = position
            var number = 0
            while position < path.upperBound, ASCII.isDigit(bytes[position]), position - digits < 10 {
                number = number * 10 + Int(bytes[position] - 0x30)
                position += 1
            }
            // One spelling per revision: no leading zeros.
            guard position > digits, bytes[digits] != UInt8(ascii: "0") else { return }
            revision = number
        }
        guard position == path.upperBound || bytes[position] == UInt8(ascii: "/") else { return }
        destination = .function(
            name: String(decoding: bytes.part(name), as: UTF8.self),
            revision: revision,
            prefix: path.lowerBound..<position
        )
        forwarded = position..<end
    }

    /// `http://authority/path`; the scheme is read as it is and `https` accepted, for a proxy in front may have ended
    /// TLS.
    private static func absolute(
        _ bytes: UnsafeRawBufferPointer,
        _ range: Range<Int>
    ) throws(Reason) -> (authority: Range<Int>, path: Range<Int>) {
        let text = bytes.part(range)
        let scheme: Int
        if text.starts(with: "http://") {
            scheme = 7
        } else if text.starts(with: "https://") {
            scheme = 8
        } else {
            throw .badTarget
        }
        let start = range.lowerBound + scheme
        var position = start
        while position < range.upperBound, bytes[position] != UInt8(ascii: "/"), bytes[position] != UInt8(ascii: "?") {
            position += 1
        }
        guard HostName.isWellFormed(bytes.part(start..<position)) else { throw .badHost }
        return (start..<position, position..<range.upperBound)
    }

    @inline(__always)
    private static func hasPrefix(_ text: UnsafeRawBufferPointer, _ prefix: StaticString) -> Bool {
        guard text.count >= prefix.utf8CodeUnitCount else { return false }
        for index in 0..<prefix.utf8CodeUnitCount where text[index] != prefix.utf8Start[index] { return false }
        return true
    }

    private static func hasSuffix(_ text: UnsafeRawBufferPointer, _ suffix: StaticString) -> Bool {
        let start = text.count - suffix.utf8CodeUnitCount
        guard start >= 0 else { return false }
        for index in 0..<suffix.utf8CodeUnitCount where text[start + index] != suffix.utf8Start[index] { return false }
        return true
    }

    @inline(__always)
    private static func isName(_ byte: UInt8) -> Bool {
        byte &- 0x61 < 26 || ASCII.isDigit(byte) || byte == UInt8(ascii: "-")
    }

    /// Whether a segment is `..` for anyone who decodes once: `%2e` counts as a dot, and `\`, `%2f` and `%5c` as
    /// separators too. What follows a `;` in a segment is a parameter and doesn't count.
    static func hasParentSegment(_ path: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        var dots = 0
        var other = false
        var parameter = false
        while position < path.count {
            var byte = path[position]
            position += 1
            if byte == UInt8(ascii: "%"), position + 1 < path.count, let high = ASCII.hexadecimal(path[position]),
                let low = ASCII.hexadecimal(path[position + 1])
            {
                byte = high << 4 | low
                position += 2
            }
            switch byte {
            case UInt8(ascii: "/"), UInt8(ascii: "\\"):
                if dots == 2, !other { return true }
                dots = 0
                other = false
                parameter = false
            case UInt8(ascii: ";"): parameter = true
            case UInt8(ascii: "."): if !parameter { dots += 1 }
            default: if !parameter { other = true }
            }
        }
        return dots == 2 && !other
    }
}
