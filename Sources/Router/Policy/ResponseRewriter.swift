import NIOCore

/// Writes the head that a client receives from the head that an instance sent.
struct ResponseRewriter {
    /// How the client learns where the body ends.
    enum Framing: Equatable {
        /// It has none, or the status and method say so.
        case none
        case length
        case chunked
        /// By the end of the connection: HTTP/1.0 doesn't know chunks.
        case close
    }

    /// What Connection says.
    enum Connection: Equatable {
        /// Nothing: the connection stays open, as is usual in HTTP/1.1.
        case implied
        /// It stays open, and an HTTP/1.0 client has to be told.
        case keepAlive
        case close
        /// It becomes a tunnel.
        case upgrade
    }

    /// How the body of a response is framed for a client of `version`.
    static func framing(_ facts: borrowing ResponseFacts, for version: RequestHead.Version) -> Framing {
        switch facts.framing {
        case .none: .none
        case .length: .length
        case .chunked, .untilClose: version == .http11 ? .chunked : .close
        }
    }

    private static let fromRole = FieldNames.hopByHop.union(FieldNames([.requestID]))
    private static let fromFunction = fromRole.union(FieldNames([.kiln]))

    /// Writes the head of a final response or of a 1xx.
    ///
    /// `added` are whole field lines of the Router's own, `cors` those that take the place of the function's own of CORS. `X-Kiln-*` of a function is dropped, so that the marks of the Router's own answers can be trusted.
    static func write(
        _ response: borrowing ResponseHead,
        facts: borrowing ResponseFacts,
        framing: Framing,
        connection: Connection,
        fromFunction: Bool,
        id: RequestID,
        request: borrowing Head,
        date: ByteBuffer,
        added: ByteBuffer? = nil,
        cors: ByteBuffer? = nil,
        into buffer: inout ByteBuffer
    ) {
        let head = response.head
        let most =
            head.bytes.readableBytes + 384 + RequestID.maximumLength + (added?.readableBytes ?? 0)
            + (cors?.readableBytes ?? 0)
        buffer.writeHead(atMost: most) { out in
            out.write("HTTP/1.1 ")
            out.writeDecimal(response.status)
            out.write(" ")
            head.withBytes { bytes in out.write(bytes.part(response.reason)) }
            out.write("\r\n")
            var dropped = fromFunction ? Self.fromFunction : Self.fromRole
            if framing != .chunked { dropped.formUnion(FieldNames([.trailer])) }
            if cors == nil {
                head.copyFields(except: dropped, nominated: facts.nominated, into: &out)
            } else {
                head.copyFields(except: dropped, nominated: facts.nominated + CORSFields.names(in: head), into: &out)
            }
            writeFraming(response.status, facts, framing, into: &out)
            writeConnection(facts, connection, head, into: &out)
            if response.status >= 200 {
                if !facts.hasDate { out.write(date) }
                out.write("Via: 1.1 kiln\r\nX-Request-Id: ")
                id.write(into: &out, head: request)
                out.write("\r\n")
                if let added { out.write(added) }
                if let cors { out.write(cors) }
            }
            out.write("\r\n")
        }
    }

    private static func writeFraming(
        _ status: Int,
        _ facts: borrowing ResponseFacts,
        _ framing: Framing,
        into out: inout HeadWriter
    ) {
        switch framing {
        case .chunked: out.write("Transfer-Encoding: chunked\r\n")
        case .close: break
        case .length, .none:
            // RFC 9110 §8.6: none in a 1xx or 204; after HEAD and in a 304 it is what GET would have had.
            if status >= 200, status != 204, let length = facts.contentLength { out.writeContentLength(length) }
        }
    }

    private static func writeConnection(
        _ facts: borrowing ResponseFacts,
        _ connection: Connection,
        _ head: Head,
        into out: inout HeadWriter
    ) {
        switch connection {
        case .implied: break
        case .keepAlive: out.write("Connection: keep-alive\r\n")
        case .close: out.write("Connection: close\r\n")
        case .upgrade:
            out.write("Connection: Upgrade\r\nUpgrade: ")
            if let upgrade = facts.upgrade { head.withBytes { bytes in out.write(bytes.part(upgrade)) } }
            out.write("\r\n")
        }
    }
}
