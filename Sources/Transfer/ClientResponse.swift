/// The head of an answer, and its body as it arrives.
package struct ClientResponse: Sendable {
    /// The status code. Redirects are not followed: 3xx comes back like any other.
    package let status: Int
    /// The field lines.
    package let headers: HeaderFields
    /// The body, to be read once. When its last copy goes away unread, the exchange is cancelled.
    package let body: ResponseBody
}

/// An answer with its whole body in memory.
package struct CollectedResponse: Sendable {
    /// The status code. Redirects are not followed: 3xx comes back like any other.
    package let status: Int
    /// The field lines.
    package let headers: HeaderFields
    /// The body.
    package let body: [UInt8]

    /// An answer.
    package init(status: Int, headers: HeaderFields, body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The body as text; bytes that are no UTF-8 are replaced.
    package var text: String { String(decoding: body, as: UTF8.self) }
}
