/// Who may call `/func`.
///
/// A web page in a browser on this machine can send requests here: a foreign Host gives away DNS rebinding, Origin and
/// Sec-Fetch-Site a page's script or form. Neither ever comes from `curl` or the `kiln` client.
struct ManagementPolicy: Sendable {
    /// Names besides loopback that Host may carry, in lower case.
    var hostNames: Set<String>
    /// The bytes of the management token; `nil`: none is asked for.
    var token: [UInt8]?

    /// Why `request` is refused; `nil` when it may pass.
    func refusal(of request: borrowing RequestHead, host: Range<Int>?) -> Reason? {
        let head = request.head
        let method = request.method
        return head.withBytes { bytes in
            guard let host, let name = HostName.split(bytes.part(host)), isOwn(name) else { return .foreignHost }
            var credentials: Range<Int>?
            var several = false
            for field in head.fields {
                switch field.name {
                case .origin: return .crossSite
                case .secFetch:
                    // `none` is the person at the browser's address bar.
                    if bytes.part(field.nameRange).matches("sec-fetch-site"),
                        !bytes.part(field.value).matches("none") || (method != .get && method != .head)
                    {
                        return .crossSite
                    }
                case .authorization:
                    several = credentials != nil
                    credentials = field.value
                default: break
                }
            }
            guard let token else { return nil }
            guard let credentials, !several else { return .tokenRequired }
            let value = bytes.part(credentials)
            guard value.starts(with: "bearer ") else { return .tokenRequired }
            return Self.isEqual(value.part(7..<value.count).trimmed(), token) ? nil : .tokenInvalid
        }
    }

    private func isOwn(_ name: UnsafeRawBufferPointer) -> Bool {
        HostName.isLoopback(name) || isNamed(name)
    }

    /// Whether `name` is one of those that the operator has given the platform.
    func isNamed(_ name: UnsafeRawBufferPointer) -> Bool {
        hostNames.contains(String(decoding: name.lazy.map(ASCII.lower), as: UTF8.self))
    }

    /// Compares in a time that depends on the lengths only.
    static func isEqual(_ given: UnsafeRawBufferPointer, _ token: [UInt8]) -> Bool {
        var difference: UInt8 = given.count == token.count ? 0 : 1
        for index in 0..<given.count { difference |= given[index] ^ token[index % max(token.count, 1)] }
        return difference == 0 && !token.isEmpty
    }
}
