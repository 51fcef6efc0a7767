import CCurl

/// An absolute `http` or `https` URL, read by the same parser that dials it, so that a check of its host is a check of
/// what is called.
package struct WebAddress: Sendable, Hashable, CustomStringConvertible {
    /// The URL, normalised.
    package let text: String
    /// `http` or `https`.
    package let scheme: String
    /// The host in lower case; an IPv6 address in brackets.
    package let host: String
    /// The port, also when the URL leaves it out.
    package let port: Int

    /// Parses an absolute URL; `nil` for anything but http and https, for credentials in the URL and for fragments of
    /// URLs.
    package init?(_ text: String) { self.init(text, base: nil) }

    /// Resolves a reference, such as a `Location`, against this URL (RFC 3986 §5); `nil` as for `init(_:)`.
    package func resolving(_ reference: String) -> WebAddress? { WebAddress(reference, base: self) }

    /// The same URL with `name=value` added to its query, percent-encoded.
    package func adding(_ name: String, _ value: String) -> WebAddress? {
        guard let url = CurlURL(), url.set(CURLUPART_URL, text, []),
            url.set(CURLUPART_QUERY, "\(name)=\(value)", [CURLU_URLENCODE, CURLU_APPENDQUERY]),
            let text = url.get(CURLUPART_URL)
        else { return nil }
        return WebAddress(text)
    }

    /// Whether both have the same scheme, host and port: what credentials are bound to (RFC 6454).
    package func hasSameOrigin(as other: WebAddress) -> Bool {
        scheme == other.scheme && host == other.host && port == other.port
    }

    package var description: String { text }

    private init?(_ text: String, base: WebAddress?) {
        guard text.utf8.allSatisfy({ $0 > 32 && $0 != 127 }), let url = CurlURL() else { return nil }
        if let base, !url.set(CURLUPART_URL, base.text, []) { return nil }
        guard url.set(CURLUPART_URL, text, [CURLU_DISALLOW_USER]), let scheme = url.get(CURLUPART_SCHEME),
            scheme == "http" || scheme == "https", let host = url.get(CURLUPART_HOST)?.lowercased(),
            url.set(CURLUPART_HOST, host, []),
            let port = url.get(CURLUPART_PORT, [CURLU_DEFAULT_PORT]).flatMap({ Int($0) }),
            url.set(CURLUPART_FRAGMENT, nil, []), let normal = url.get(CURLUPART_URL)
        else { return nil }
        self.scheme = scheme
        self.host = host
        self.port = port
        self.text = normal
    }
}

/// The owner of one libcurl URL handle.
private struct CurlURL: ~Copyable {
    private let raw: OpaquePointer

    init?() {
        guard let raw = curl_url() else { return nil }
        self.raw = raw
    }

    deinit { curl_url_cleanup(raw) }

    func set(_ part: CURLUPart, _ value: String?, _ flags: [Int32]) -> Bool {
        curl_url_set(raw, part, value, Self.bits(flags)) == CURLUE_OK
    }

    func get(_ part: CURLUPart, _ flags: [Int32] = []) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(raw, part, &text, Self.bits(flags)) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }

    private static func bits(_ flags: [Int32]) -> UInt32 { flags.reduce(0) { $0 | UInt32($1) } }
}
