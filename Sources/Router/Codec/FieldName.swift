/// The header fields that mean something to the Router; everything else is ``other`` and passes untouched.
enum FieldName: UInt8 {
    case other
    case host, connection, contentLength, transferEncoding, te, trailer, upgrade, expect
    case keepAlive, proxyConnection, proxyAuthenticate, proxyAuthorization, http2Settings
    case authorization, origin, secFetch, date, requestID
    case xForwardedFor, xForwardedHost, xForwardedProto, xForwardedOther, forwarded, xRealIP, kiln
    case traceparent, tracestate

    /// Classifies a name, ignoring case: one switch over its length, then at most four comparisons.
    init(_ name: UnsafeRawBufferPointer) {
        self = Self.classify(name)
    }

    private static func classify(_ name: UnsafeRawBufferPointer) -> FieldName {
        switch name.count {
        case 2: if name.matches("te") { return .te }
        case 4:
            if name.matches("host") { return .host }
            if name.matches("date") { return .date }
        case 6:
            if name.matches("expect") { return .expect }
            if name.matches("origin") { return .origin }
        case 7:
            if name.matches("upgrade") { return .upgrade }
            if name.matches("trailer") { return .trailer }
        case 9:
            if name.matches("forwarded") { return .forwarded }
            if name.matches("x-real-ip") { return .xRealIP }
        case 10:
            if name.matches("connection") { return .connection }
            if name.matches("keep-alive") { return .keepAlive }
            if name.matches("tracestate") { return .tracestate }
        case 11: if name.matches("traceparent") { return .traceparent }
        case 12: if name.matches("x-request-id") { return .requestID }
        case 13: if name.matches("authorization") { return .authorization }
        case 14: if name.matches("content-length") { return .contentLength }
        case 15: if name.matches("x-forwarded-for") { return .xForwardedFor }
        case 16:
            if name.matches("proxy-connection") { return .proxyConnection }
            if name.matches("x-forwarded-host") { return .xForwardedHost }
        case 17:
            if name.matches("transfer-encoding") { return .transferEncoding }
            if name.matches("x-forwarded-proto") { return .xForwardedProto }
        case 18: if name.matches("proxy-authenticate") { return .proxyAuthenticate }
        case 19: if name.matches("proxy-authorization") { return .proxyAuthorization }
        default: break
        }
        guard name.count > 6 else { return .other }
        switch ASCII.lower(name[0]) {
        case UInt8(ascii: "x"):
            if name.starts(with: "x-kiln-") { return .kiln }
            if name.starts(with: "x-forwarded-") { return .xForwardedOther }
        case UInt8(ascii: "s"): if name.starts(with: "sec-fetch-") { return .secFetch }
        case UInt8(ascii: "h"): if name.matches("http2-settings") { return .http2Settings }
        default: break
        }
        return .other
    }
}

/// A set of field names, as a bit mask.
struct FieldNames: OptionSet, Sendable {
    let rawValue: UInt64
    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(_ names: [FieldName]) { rawValue = names.reduce(0) { $0 | 1 << UInt64($1.rawValue) } }

    @inline(__always)
    func contains(_ name: FieldName) -> Bool { rawValue & 1 << UInt64(name.rawValue) != 0 }

    /// Fields that concern one connection only and are never passed on (RFC 9110 §7.6.1), and those that say how a body
    /// is framed, which are written anew.
    static let hopByHop = FieldNames([
        .connection, .keepAlive, .proxyConnection, .proxyAuthenticate, .proxyAuthorization, .te, .upgrade,
        .http2Settings, .contentLength, .transferEncoding,
    ])
}
