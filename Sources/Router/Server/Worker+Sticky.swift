import NIOCore

// Clients that keep to their revision while several share the traffic.
extension Worker {
    /// The revision of `client` by what it says of itself; `nil` when it says nothing and is not to be made to.
    func stickyRevision(_ route: FunctionRoute, _ client: ClientHandler) -> Int? {
        guard let sticky = route.sticky, let request = client.request else { return nil }
        let head = request.head.head
        let shares = route.targets.lazy.map { (revision: $0.revision, weight: $0.weight) }
        switch sticky.source {
        case .header(let name):
            return head.withBytes { bytes in
                for field in head.fields where bytes.part(field.nameRange).isName(name) && !field.value.isEmpty {
                    return sticky.revision(of: bytes.part(field.value), among: shares)
                }
                return nil
            }
        case .cookie(let name):
            if let value = StickyCookie.value(name, in: head) { return sticky.revision(of: value, among: shares) }
            // A request that is drawn again has its number already.
            let value = request.cookie?.value ?? StickyCookie.make(random.next())
            request.cookie = NewCookie(name: name, value: value, isSecure: client.client.isSecure(head))
            return sticky.revision(of: value, among: shares)
        }
    }
}

/// A cookie that the client is sent with the answer.
struct NewCookie {
    let name: String
    let value: [UInt8]
    /// Whether the client called over TLS, and is to send it so only.
    let isSecure: Bool

    /// The field, for the function under `prefix` of the Router's paths.
    func field(prefix: String) -> ByteBuffer {
        StickyCookie.field(name, value, prefix: prefix, isSecure: isSecure)
    }
}

extension Request {
    /// The field line with the cookie that it is answered with, if any.
    var cookieField: ByteBuffer? {
        guard let cookie, case .function(_, _, let prefix) = target.destination else { return nil }
        return cookie.field(prefix: head.head.text(prefix))
    }
}

extension UnsafeRawBufferPointer {
    /// Whether these are the name of a field, `name` in lower case.
    fileprivate func isName(_ name: String) -> Bool {
        count == name.utf8.count && zip(self, name.utf8).allSatisfy { ASCII.lower($0) == $1 }
    }
}
