import Contract
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// An answer of a role.
package struct ServiceResponse: Sendable {
    /// What comes after the head.
    package enum Body: Sendable {
        /// These bytes, with a Content-Length.
        case bytes([UInt8])
        /// Pieces as they come, chunked; each is flushed at once.
        case stream(@Sendable (ResponseWriter) async throws -> Void)
    }

    /// The status code.
    package var status: Int
    /// The header fields, without those that frame the body.
    package var headers: [(name: String, value: String)]
    /// The body.
    package var body: Body

    /// An answer from its parts.
    package init(status: Int, headers: [(name: String, value: String)] = [], body: Body = .bytes([])) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// `value` as JSON with sorted keys.
    package static func json(_ value: some Encodable, status: Int = 200) throws -> ServiceResponse {
        try ServiceResponse(
            status: status, headers: [("Content-Type", "application/json")], body: .bytes(JSON.encode(value) + [10]))
    }

    /// `problem` as `application/problem+json`.
    package static func problem(_ problem: Problem) -> ServiceResponse {
        var headers = [(name: "Content-Type", value: Problem.mediaType)]
        if let seconds = problem.retryAfter { headers.append(("Retry-After", String(seconds))) }
        if let methods = problem.allow { headers.append(("Allow", methods)) }
        let bytes = (try? JSON.encode(problem)) ?? Array(#"{"type":"about:blank"}"#.utf8)
        return ServiceResponse(status: problem.status, headers: headers, body: .bytes(bytes + [10]))
    }
}

/// Writes the pieces of a streamed answer.
package struct ResponseWriter: Sendable {
    let outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>

    /// Sends `bytes` now; waits while the peer is slow, throws when it is gone.
    package func write(_ bytes: [UInt8]) async throws {
        try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: bytes))))
    }
}

/// How the roles write JSON: compact, keys sorted, slashes as they are.
package enum JSON {
    /// The bytes of `value`.
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try Array(encoder.encode(value))
    }

    /// The value in `bytes`; throws a 400 problem naming the field that is wrong.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws(Problem) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw Problem("invalid-body", 400, "Invalid body", "The body is not what this call takes: \(error)")
        }
    }
}
