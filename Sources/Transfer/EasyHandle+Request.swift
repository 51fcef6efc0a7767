import CCurl

extension EasyHandle {
    /// Bodies up to this size are copied and leave with the head in one packet (libcurl sends up to 64 KiB so).
    private static let copiedBodyLimit = 64 << 10

    /// Sets everything that follows from the request and the client's configuration.
    mutating func configure(
        _ request: ClientRequest, _ configuration: HTTPClient.Configuration
    ) throws(TransferError) {
        try request.validate()
        try collectExplanations()
        try set(CURLOPT_URL, request.url)
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_PATH_AS_IS, 1)
        try set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        // Over HTTP/2 all exchanges with a host would share one connection, and one reader that is behind could hold up
        // the rest.
        try set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        try set(CURLOPT_NOSIGNAL, 1)
        try set(CURLOPT_TCP_KEEPALIVE, 1)
        try set(CURLOPT_BUFFERSIZE, 64 << 10)
        try set(CURLOPT_UPLOAD_BUFFERSIZE, 128 << 10)
        try set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        try set(CURLOPT_MAXAGE_CONN, max(1, configuration.idleLifetime.milliseconds / 1000))
        try set(CURLOPT_CONNECTTIMEOUT_MS, request.timeouts.connect ?? .seconds(1 << 20))
        try set(CURLOPT_TIMEOUT_MS, request.timeouts.total)
        try set(CURLOPT_UNIX_SOCKET_PATH, request.socket)
        try set(proxy: configuration.proxy)
        try set(tls: configuration.tls)
        try set(body: request)
        try set(headers: request.headerLines(userAgent: configuration.userAgent))
    }

    private func set(proxy: ProxySettings) throws(TransferError) {
        switch proxy {
        case .direct:
            // The empty text, unlike nothing, also keeps libcurl from reading http_proxy and its kin.
            try set(CURLOPT_PROXY, "")
        case .proxy(let url, let exceptions):
            try set(CURLOPT_PROXY, url)
            try set(CURLOPT_NOPROXY, exceptions.joined(separator: ","))
        }
    }

    private func set(tls: TLSSettings) throws(TransferError) {
        switch tls.trust {
        case .system: break
        case .systemAnd(let file):
            // The system's authorities remain trusted through the directory that libcurl was built with.
            try set(CURLOPT_CAINFO, file)
        case .only(let file):
            try set(CURLOPT_CAINFO, file)
            try set(CURLOPT_CAPATH, nil as String?)
        case .onlyCertificates(let pem):
            // The certificates in memory replace libcurl's default file, not its default directory.
            try set(CURLOPT_CAINFO_BLOB, copy: pem)
            try set(CURLOPT_CAPATH, nil as String?)
        }
        guard let identity = tls.identity else { return }
        try set(CURLOPT_SSLCERT_BLOB, copy: identity.certificate)
        try set(CURLOPT_SSLKEY_BLOB, copy: identity.key)
    }

    private func set(body request: ClientRequest) throws(TransferError) {
        switch request.body.content {
        case .none where request.method == .head: try set(CURLOPT_NOBODY, 1)
        case .none where request.method.expectsBody:
            try set(CURLOPT_POST, 1)
            try set(copiedBody: [])
        case .none: try set(CURLOPT_HTTPGET, 1)
        case .bytes(let bytes) where bytes.count <= Self.copiedBodyLimit:
            try set(CURLOPT_POST, 1)
            try set(copiedBody: bytes)
        case .bytes(let bytes):
            try set(CURLOPT_UPLOAD, 1)
            try set(CURLOPT_INFILESIZE_LARGE, bytes: bytes.count)
        case .file: try set(CURLOPT_UPLOAD, 1)
        case .stream(let length, _):
            try set(CURLOPT_UPLOAD, 1)
            try set(CURLOPT_INFILESIZE_LARGE, bytes: length ?? -1)
        }
        try set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    }
}

extension ClientRequest {
    /// Method, scheme, host and path: enough to recognise the request in a message, without what a query may hold in
    /// confidence.
    var target: String { "\(method) \(url.prefix { $0 != "?" })" }

    fileprivate func validate() throws(TransferError) {
        func refuse(_ reason: String) -> TransferError {
            TransferError(.invalidRequest, "\(target) cannot be sent: \(reason).")
        }
        let scheme = url.prefix { $0 != ":" }.lowercased()
        guard scheme == "http" || scheme == "https" else { throw refuse("the URL is neither http nor https") }
        guard url.utf8.allSatisfy({ $0 > 32 && $0 != 127 }) else {
            throw refuse("the URL has a space or control character")
        }
        guard HeaderFields(dictionaryLiteral: (method.rawValue, "")).isSendable else {
            throw refuse("the method is no token")
        }
        guard headers.isSendable else { throw refuse("a header field has a character that is not allowed") }
        guard headers["Content-Length"] == nil, headers["Transfer-Encoding"] == nil else {
            throw refuse("the client sets Content-Length and Transfer-Encoding itself")
        }
        guard !(method == .head && body.isPresent) else { throw refuse("HEAD has no body") }
    }

    /// The lines for libcurl. A name with nothing after the colon removes a line that libcurl would add; a field that
    /// really is empty ends in a semicolon.
    fileprivate func headerLines(userAgent: String) -> [String] {
        var lines = headers.fields.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
        // Waiting for "100 Continue" costs a round trip, or a second with a peer that does not know it.
        if headers["Expect"] == nil { lines.append("Expect:") }
        if headers["Content-Type"] == nil { lines.append("Content-Type:") }
        if headers["User-Agent"] == nil { lines.append("User-Agent: \(userAgent)") }
        return lines
    }
}

extension RequestBody {
    fileprivate var isPresent: Bool { if case .none = content { false } else { true } }
}
