/// An error answer: `application/problem+json` (RFC 9457).
package struct Problem: Error, Hashable, Sendable, Codable {
    /// The media type of the body.
    package static let mediaType = "application/problem+json"

    /// One finding of a build, at a place in the source.
    package struct Diagnostic: Hashable, Sendable, Codable {
        /// The file, as the developer named it.
        package var file: String
        /// The line, from 1.
        package var line: Int?
        /// The column in characters, from 1.
        package var column: Int?
        /// A short code, e.g. `TS2322` or `syntax`.
        package var code: String
        /// What is wrong.
        package var message: String

        /// A finding in `file`.
        package init(file: String, line: Int? = nil, column: Int? = nil, code: String, message: String) {
            self.file = file
            self.line = line
            self.column = column
            self.code = code
            self.message = message
        }
    }

    /// The kind of problem: `about:blank` or `urn:kiln:<kind>`.
    package var type: String
    /// The kind in words, the same for every occurrence.
    package var title: String
    /// The HTTP status code.
    package var status: Int
    /// What happened this time and what to do about it.
    package var detail: String
    /// The request's id, as in the logs.
    package var requestId: String?
    /// What a build found in the source.
    package var diagnostics: [Diagnostic]?
    /// How many findings there are beside ``diagnostics``, which are bounded.
    package var moreDiagnostics: Int?
    /// The last lines an instance printed before it failed.
    package var logs: [String]?
    /// Seconds after which a retry may succeed; sent as `Retry-After` too.
    package var retryAfter: Int?
    /// The methods that the resource takes, of a 405; sent as `Allow` too.
    package var allow: String?

    /// A problem of `kind`, a few words joined by hyphens.
    package init(
        _ kind: String, _ status: Int, _ title: String, _ detail: String, diagnostics: [Diagnostic]? = nil,
        moreDiagnostics: Int? = nil, logs: [String]? = nil, retryAfter: Int? = nil, allow: String? = nil
    ) {
        type = "urn:kiln:\(kind)"
        self.status = status
        self.title = title
        self.detail = detail
        self.diagnostics = diagnostics
        self.moreDiagnostics = moreDiagnostics
        self.logs = logs
        self.retryAfter = retryAfter
        self.allow = allow
    }

    /// The kind, as it was given: the last part of ``type``.
    package var kind: String { type.split(separator: ":").last.map(String.init) ?? type }
}

extension Problem: CustomStringConvertible {
    package var description: String { "\(status) \(title): \(detail)" }
}
