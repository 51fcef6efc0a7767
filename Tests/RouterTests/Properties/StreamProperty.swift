import NIOCore
import NIOHPACK

@testable import Router

/// Requests of HTTP/2: the head that they become has the fields that came, and no more.
enum StreamProperty {
    private static let get = [(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "h:1")]

    /// Fields from bytes: a length and so many bytes, for a name and for a value, and so on.
    static func pairs(_ bytes: [UInt8], _ choice: UInt8) throws(Violation) {
        var texts: [String] = []
        var index = 0
        while index < bytes.count {
            let end = min(bytes.count, index + 1 + Int(bytes[index] & 63))
            texts.append(String(decoding: bytes[(index + 1)..<end], as: UTF8.self))
            index = end
        }
        var pairs = choice & 2 == 0 ? get : []
        for index in stride(from: 0, to: texts.count - 1, by: 2) { pairs.append((texts[index], texts[index + 1])) }
        try check(HPACKHeaders(pairs), ends: choice & 1 == 0)
    }

    /// Fields as they come over the wire, compressed (RFC 7541).
    static func compressed(_ bytes: [UInt8], _ choice: UInt8) throws(Violation) {
        var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
        var buffer = ByteBuffer(bytes: bytes)
        guard let headers = try? decoder.decodeHeaders(from: &buffer) else { return }
        let size = headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        try demand(size <= decoder.maxHeaderListSize, "\(bytes.count) bytes become \(size)")
        try check(headers, ends: choice & 1 == 0)
    }

    private static func check(_ headers: HPACKHeaders, ends: Bool) throws(Violation) {
        if let end = try? StreamRequest.end(headers) {
            let fields = FieldPair.read([13, 10] + Array(end.readableBytesView.dropFirst(3)))
            let came = headers.count { !["host", "content-length", "cookie"].contains($0.name) }
            try demand(fields.count == came, "\(came) trailers become \(fields.count)")
        }
        guard let request = try? StreamRequest(headers, ends: ends) else { return }
        let limits = HeadScanner.Limits(startLine: 65_535, bytes: 65_535, fields: 10_000)
        var decoder = RequestDecoder(limits: limits)
        decoder.append(request.head)
        // A method may be too long for it, or the whole head: that is answered, and nothing else is read into it.
        guard let head = try? decoder.nextHead() else { return }
        try demand(decoder.bufferedBytes == 0, "a head becomes more than one")
        var came = headers.filter { !$0.name.hasPrefix(":") && $0.name != "cookie" && $0.name != "host" }.map(\.name)
        if headers.contains(where: { $0.name == "cookie" }) { came.append("cookie") }
        if head.head.fields.contains(where: { $0.name == .host }) { came.append("host") }
        if request.body == .chunked { came.append("transfer-encoding") }
        came.append("connection")
        try demand(head.head.pairs.map(\.name).sorted() == came.sorted(), "the fields are not those that came")
        if let facts = try? RequestFacts(head) {
            try demand((facts.framing == .none) == (request.body == .none), "its body is framed otherwise")
        }
    }
}
