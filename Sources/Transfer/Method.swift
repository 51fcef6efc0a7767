/// A request method (RFC 9110 §9). Any token is allowed; the usual ones have names.
package struct Method: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    /// The method as it is sent.
    package let rawValue: String

    /// The method `rawValue`, sent as it is written.
    package init(rawValue: String) { self.rawValue = rawValue }

    /// Reads a resource.
    package static let get = Method(rawValue: "GET")
    /// Reads a resource's head only.
    package static let head = Method(rawValue: "HEAD")
    /// Hands a body to a resource to process.
    package static let post = Method(rawValue: "POST")
    /// Replaces a resource.
    package static let put = Method(rawValue: "PUT")
    /// Changes a part of a resource.
    package static let patch = Method(rawValue: "PATCH")
    /// Removes a resource.
    package static let delete = Method(rawValue: "DELETE")

    package var description: String { rawValue }

    /// Whether a request without a body announces that with `Content-Length: 0`: the methods whose content has a
    /// meaning.
    var expectsBody: Bool { self == .post || self == .put || self == .patch }
}
