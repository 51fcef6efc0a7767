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

    /// Writes the end of a chunked body with those of `trailers` that may be passed on.
    static func writeEnd(_ trailers: Head, into out: inout ByteBuffer) {
        out.writeHead(atMost: trailers.bytes.readableBytes + 8) { out in
            out.write("0\r\n")
            trailers.copyFields(except: refused, nominated: [], into: &out)
            out.write("\r\n")
        }
    }
}
