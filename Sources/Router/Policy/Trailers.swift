import NIOCore

/// Passes trailers on (RFC 9110 §6.5).
enum Trailers {
    /// Fields that must not come late: framing, routing, identity and what the Router itself writes or removes.
    private static let refused = FieldNames.hopByHop.union(
        FieldNames([
            .host, .trailer, .expect, .authorization, .origin, .secFetch, .requestID, .xForwardedFor, .xForwardedHost,
            .xForwardedProto, .xForwardedOther, .forwarded, .xRealIP, .kiln, .date,
        ])
    )

    /// Writes the end of a chunked body with those of `trailers` that may be passed on. What the message's Connection named, as `nominated` in lower case, was
    /// meant for this end alone (RFC 9110, 7.6.1).
    static func writeEnd(_ trailers: Head, nominated: [String], into out: inout ByteBuffer) {
        let dropped =
            nominated.isEmpty
            ? [] : trailers.fields.map(\.nameRange).filter { nominated.contains(trailers.text($0).lowercased()) }
        out.writeHead(atMost: trailers.bytes.readableBytes + 8) { out in
            out.write("0\r\n")
            trailers.copyFields(except: refused, nominated: dropped, into: &out)
            out.write("\r\n")
        }
    }
}
