import Contract
import NIOCore

@testable import Router

/// What is read out of a few bytes.
enum SmallProperty {
    /// Once known, what begins a connection stays known, whatever follows.
    static func proxyHeader(_ bytes: [UInt8]) throws(Violation) {
        var known: ProxyHeader.Reading?
        for count in 0...min(bytes.count, ProxyHeader.longestBinary + 8) {
            let reading = ProxyHeader.read(bytes[..<count])
            if let known { try demand(reading == known, "\(count) bytes make \(reading) of \(known)") }
            switch reading {
            case .incomplete: try demand(count < ProxyHeader.longestBinary, "\(count) bytes wait")
            case .malformed: known = reading
            case .header(let header):
                try demand(header.length <= count && header.length > 0, "its length is \(header.length)")
                known = reading
            }
        }
    }

    /// What is passed on of a target never leaves the function.
    static func target(_ bytes: [UInt8]) throws(Violation) {
        guard !bytes.isEmpty, bytes.allSatisfy({ ASCII.isTarget($0) }) else { return }
        guard
            let target = try? bytes.withUnsafeBytes({ (all) throws(Reason) in
                try RequestTarget.parse(all, 0..<all.count)
            })
        else { return }
        let forwarded = Array(bytes[target.forwarded])
        if case .function(let name, _, let prefix) = target.destination {
            try demand(prefix.upperBound == target.forwarded.lowerBound, "bytes between prefix and path are lost")
            try demand(target.forwarded.upperBound == bytes.count, "the end is lost")
            try demand(name.utf8.count <= FunctionName.maximumLength && !name.isEmpty, "the name is \(name)")
            try demand(bytes[prefix].starts(with: Array("/fn/\(name)".utf8)), "the name is not the path's")
            try demand(forwarded.isEmpty || forwarded[0] == 47 || forwarded[0] == 63, "a name ends in its middle")
        }
        let path = forwarded.split(separator: 63, maxSplits: 1, omittingEmptySubsequences: false)[0]
        for segment in decoded(Array(path)).split(
            omittingEmptySubsequences: false, whereSeparator: { $0 == 47 || $0 == 92 })
        {
            let plain = segment.split(separator: 59, maxSplits: 1, omittingEmptySubsequences: false)[0]
            try demand(Array(plain) != [46, 46], "a parent segment passes")
        }
        var whole = target
        bytes.withUnsafeBytes { whole.belong(to: "f", $0) }
        try demand(whole.forwarded.upperBound == bytes.count, "under a host name the end is lost")
    }

    /// A well-formed host has nothing that could be taken for something else.
    static func host(_ bytes: [UInt8]) throws(Violation) {
        let host = bytes.withUnsafeBytes { HostName.split($0).map(Array.init) }
        guard let host else { return }
        try demand(!host.isEmpty && bytes.count <= 300, "an empty or endless host passes")
        for byte in bytes {
            try demand(byte > 0x20 && byte < 0x7F && !Array("/@,?#\\\"<>".utf8).contains(byte), "\(byte) passes")
        }
        let port = bytes + Array(":80".utf8)
        if !bytes.contains(58) {
            try demand(port.withUnsafeBytes { HostName.split($0).map(Array.init) } == host, "a port changes the host")
        }
        _ = host.withUnsafeBytes { HostName.isLoopback($0) }
    }

    /// A cookie that is found is one that could have been set, and one that is set is found.
    static func cookie(_ bytes: [UInt8]) throws(Violation) {
        let text = Array("GET / HTTP/1.1\r\nCookie: ".utf8) + bytes + [13, 10, 13, 10]
        guard let head = try? RequestHead(ByteBuffer(bytes: text)) else { return }
        if let value = StickyCookie.value("kiln", in: head.head) {
            try demand(value.count == 16 && value.allSatisfy { ASCII.hexadecimal($0) != nil }, "it is \(value)")
        }
        let made = StickyCookie.make(UInt64(truncatingIfNeeded: bytes.count) &* 0x9e37_79b9_7f4a_7c15)
        let set = Array("GET / HTTP/1.1\r\nCookie: kiln=".utf8) + made + Array("; ".utf8) + bytes + [13, 10, 13, 10]
        guard let again = try? RequestHead(ByteBuffer(bytes: set)) else { return }
        try demand(StickyCookie.value("kiln", in: again.head) == made, "what was set is not found")
    }

    /// A line is one line of JSON, whatever the client has sent.
    static func accessLog(_ bytes: [UInt8]) throws(Violation) {
        let text = String(decoding: bytes, as: UTF8.self)
        let entry = AccessLogEntry(
            time: Timestamp(milliseconds: 0), requestID: text, client: text, method: text, target: text,
            version: "HTTP/1.1", status: 200,
            reason: text, function: text, instance: text, nanoseconds: 1, waitedNanoseconds: 1, bytes: 1)
        let line = entry.line(.json)
        try demand(line.last == 10 && line.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "it is not one line")
        var quotes = 0
        var escaped = false
        for byte in line {
            if escaped { escaped = false } else if byte == 92 { escaped = true } else if byte == 34 { quotes += 1 }
        }
        // Names and values of eight strings, and names of three numbers.
        try demand(quotes == 2 * (2 * 9 + 4), "\(quotes) quotes stand for themselves")
    }

    private static func decoded(_ path: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < path.count {
            if path[index] == 37, index + 2 < path.count,
                let high = Character(UnicodeScalar(path[index + 1])).hexDigitValue,
                let low = Character(UnicodeScalar(path[index + 2])).hexDigitValue
            {
                result.append(UInt8(high * 16 + low))
                index += 3
            } else {
                result.append(path[index])
                index += 1
            }
        }
        return result
    }
}
