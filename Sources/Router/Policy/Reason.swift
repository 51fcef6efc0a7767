import Contract

/// Why the Router answered a request itself: the value of `X-Kiln-Reason` and, as `urn:kiln:<reason>`, the problem's
/// type.
enum Reason: String, CaseIterable, Error {
    // The request is refused as it stands.
    case malformedRequest = "malformed-request"
    case noProxyHeader = "no-proxy-header"
    case tlsRequired = "tls-required"
    case badHost = "bad-host"
    case badTarget = "bad-target"
    case badFraming = "bad-framing"
    case badConnectionOption = "bad-connection-option"
    case unsupportedVersion = "unsupported-version"
    case unsupportedTransferCoding = "unsupported-transfer-coding"
    case expectationFailed = "expectation-failed"
    case methodNotAllowed = "method-not-allowed"
    case targetTooLong = "target-too-long"
    case headTooLarge = "head-too-large"
    case bodyTooLarge = "body-too-large"
    case headTimeout = "head-timeout"
    case bodyTimeout = "body-timeout"

    // There is nothing under this path.
    case notFound = "not-found"
    case unknownFunction = "unknown-function"
    case unknownRevision = "unknown-revision"
    case nothingServes = "nothing-serves"

    // Management calls.
    case foreignHost = "foreign-host"
    case crossSite = "cross-site"
    case tokenRequired = "token-required"
    case tokenInvalid = "token-invalid"
    case roleUnavailable = "role-unavailable"

    // A page of another origin.
    case originNotAllowed = "origin-not-allowed"

    // No instance takes the request.
    case tooManyRequests = "too-many-requests"
    case queueFull = "queue-full"
    case noInstance = "no-instance"
    case saturated = "saturated"
    case connectFailed = "connect-failed"
    case startFailed = "start-failed"
    case noRoom = "no-room"

    // The instance failed.
    case upstreamClosed = "upstream-closed"
    case upstreamMalformed = "upstream-malformed"
    case responseTimeout = "response-timeout"

    // The Router itself.
    case notReady = "not-ready"
    case tooManyConnections = "too-many-connections"
}

extension Reason {
    /// The status code.
    var status: Int {
        switch self {
        case .malformedRequest, .noProxyHeader, .tlsRequired, .badHost, .badTarget, .badFraming, .badConnectionOption:
            400
        case .tokenRequired, .tokenInvalid: 401
        case .foreignHost, .crossSite, .originNotAllowed: 403
        case .notFound, .unknownFunction, .unknownRevision, .nothingServes: 404
        case .methodNotAllowed: 405
        case .headTimeout, .bodyTimeout: 408
        case .bodyTooLarge: 413
        case .targetTooLong: 414
        case .expectationFailed: 417
        case .tooManyRequests: 429
        case .headTooLarge: 431
        case .unsupportedTransferCoding: 501
        case .connectFailed, .startFailed, .upstreamClosed, .upstreamMalformed: 502
        case .noRoom, .queueFull, .saturated, .roleUnavailable, .notReady, .tooManyConnections: 503
        case .noInstance, .responseTimeout: 504
        case .unsupportedVersion: 505
        }
    }

    /// Seconds after which another attempt may succeed.
    var retryAfter: Int? {
        switch self {
        case .tooManyRequests, .queueFull, .saturated, .roleUnavailable, .notReady, .tooManyConnections: 1
        case .startFailed, .noRoom: 5
        default: nil
        }
    }

    /// Whether the bytes after this request can't be trusted to be the next one, or are not wanted.
    var endsConnection: Bool {
        switch self {
        case .malformedRequest, .noProxyHeader, .tlsRequired, .badHost, .badFraming, .badConnectionOption,
            .unsupportedVersion, .unsupportedTransferCoding, .targetTooLong, .headTooLarge, .bodyTooLarge, .headTimeout,
            .bodyTimeout,
            .tooManyConnections:
            true
        default: false
        }
    }

    /// The problem that a client is answered with; `detail` replaces the general one.
    func problem(_ detail: String? = nil) -> Problem {
        let (title, general) = words
        return Problem(rawValue, status, title, detail ?? general, retryAfter: retryAfter)
    }

    private var words: (title: String, detail: String) {
        switch self {
        case .malformedRequest: ("Bad request", "The request is not well-formed HTTP/1.1.")
        case .noProxyHeader:
            ("Bad request", "The connection of a trusted proxy must begin with a header of the PROXY protocol.")
        case .tlsRequired: ("Bad request", "This port speaks TLS: call it by a URL that begins with https://.")
        case .badHost: ("Bad request", "The request needs exactly one well-formed Host field.")
        case .badTarget:
            ("Bad request", "The request target is not acceptable: no '..' segments, fragments or CONNECT.")
        case .badFraming:
            ("Bad request", "The body's length is given twice, badly or not at all: use Content-Length or chunked.")
        case .badConnectionOption: ("Bad request", "A field named by Connection must not be removed by a proxy.")
        case .unsupportedVersion: ("HTTP version not supported", "Use HTTP/1.1.")
        case .unsupportedTransferCoding: ("Not implemented", "The only transfer coding understood is 'chunked'.")
        case .expectationFailed: ("Expectation failed", "The only expectation understood is '100-continue'.")
        case .methodNotAllowed: ("Method not allowed", "This method is not available here.")
        case .targetTooLong: ("URI too long", "The request target is too long.")
        case .headTooLarge: ("Request header fields too large", "The head has too many or too long fields.")
        case .bodyTooLarge: ("Content too large", "The body is larger than the limit.")
        case .headTimeout: ("Request timeout", "The head did not arrive in time.")
        case .bodyTimeout: ("Request timeout", "The body arrived too slowly.")
        case .notFound: ("Not found", "Nothing is here. Functions are under /fn/NAME.")
        case .unknownFunction: ("Not found", "No function has this name.")
        case .unknownRevision: ("Not found", "This revision neither serves nor is pinned.")
        case .nothingServes: ("Not found", "The function has no revision that serves.")
        case .foreignHost:
            (
                "Forbidden",
                "Management calls are accepted under this machine's own names only; see the option host-name."
            )
        case .crossSite: ("Forbidden", "Management calls are not accepted from web pages.")
        case .originNotAllowed: ("Forbidden", "Pages of this origin may not call this function.")
        case .tokenRequired: ("Unauthorized", "Send the management token as 'Authorization: Bearer <token>'.")
        case .tokenInvalid: ("Unauthorized", "The management token is not the right one.")
        case .roleUnavailable: ("Service unavailable", "This part of the platform is starting again.")
        case .tooManyRequests: ("Too many requests", "Too many requests wait for a place at this function's instances.")
        case .queueFull: ("Service unavailable", "Too many requests wait for an instance of this function.")
        case .noInstance:
            (
                "Gateway timeout",
                "No instance of this function was ready in time; GET /func/NAME tells its state, /func/NAME/logs what it printed."
            )
        case .saturated: ("Service unavailable", "All instances of this function are busy.")
        case .startFailed: ("Bad gateway", "The function did not start; GET /func/NAME tells why.")
        case .noRoom: ("Service unavailable", "The machine has no room for an instance of this function now.")
        case .connectFailed: ("Bad gateway", "No instance of this function accepts connections.")
        case .upstreamClosed:
            (
                "Bad gateway",
                "The instance ended the connection before it answered; GET /func/NAME says in lastFailure how it ended."
            )
        case .upstreamMalformed: ("Bad gateway", "The instance's answer is not well-formed HTTP/1.1.")
        case .responseTimeout: ("Gateway timeout", "The function did not answer within its timeout.")
        case .notReady: ("Service unavailable", "The Router has no route table yet, or is about to stop.")
        case .tooManyConnections: ("Service unavailable", "Too many connections are open.")
        }
    }
}

extension Reason {
    /// The answer to bytes that are no request.
    init(_ error: SyntaxError) {
        self =
            switch error {
            case .unsupportedVersion, .http2Preface: .unsupportedVersion
            case .targetTooLong: .targetTooLong
            case .headTooLarge, .tooManyFields, .trailersTooLarge: .headTooLarge
            case .unsupportedTransferCoding: .unsupportedTransferCoding
            case .malformedFraming: .badFraming
            case .malformedStartLine, .bareLineFeed, .foldedField, .malformedFieldName, .malformedFieldValue,
                .malformedChunk, .chunkExtensionTooLong, .malformedTrailer, .truncated:
                .malformedRequest
            }
    }
}
