import Transfer

/// Why the API server did not do what it was asked, or could not be asked.
package struct APIError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure that a caller may want to tell apart.
    package enum Code: String, Sendable, Hashable {
        /// There is no such object.
        case notFound
        /// The server does not know objects of this kind: a missing CRD or a version it is too old or too new for.
        case notServed
        /// There is such an object already.
        case alreadyExists
        /// The object has changed since it was read, or is not the one that was meant.
        case conflict
        /// Another manager owns fields that would be changed; ``APIError/owners`` says who and which.
        case foreignOwner
        /// The version is older than what the server still has: read anew.
        case expired
        /// The object breaks a rule of its kind.
        case invalid
        /// The caller may not do this, or a quota, Pod Security or an ending namespace forbids it.
        case forbidden
        /// The server does not know the caller, or there are no credentials to be had.
        case unauthorized
        /// Too many calls; the server asks for patience.
        case busy
        /// The server refused the call for another reason; the same call would be refused again.
        case refused
        /// The server failed.
        case failed
        /// The server could not be reached, or the connection broke.
        case unreachable
        /// The answer is not what the API promises, or larger than the limit.
        case malformed
        /// This process may not change anything any more, see ``APIClient/Configuration/mayWrite``.
        case fenced
        /// The way to the cluster, or the credentials for it, cannot be had: a kubeconfig, a service account, a plugin.
        case connection
    }

    /// A field and who owns it.
    package struct Owner: Sendable, Hashable {
        /// The manager's name, e.g. `kubectl-edit`.
        package var manager: String
        /// The field's path, e.g. `.spec.image`.
        package var field: String
    }

    /// The kind of failure.
    package let code: Code
    /// A sentence for the person who must act.
    package let message: String
    /// The server's answer, when it was one.
    package let status: APIStatus?
    /// What it came from.
    package let cause: (any Error)?

    /// A failure of kind `code`.
    package init(_ code: Code, _ message: String, status: APIStatus? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.status = status
        self.cause = cause
    }

    package var description: String { cause.map { "\(message) (\($0))" } ?? message }

    /// Who owns the fields of a ``Code/foreignOwner`` failure. The manager stands only in the cause's message, in quotes.
    package var owners: [Owner] {
        (status?.causes ?? []).filter { $0.reason == "FieldManagerConflict" }.map { cause in
            let parts = (cause.message ?? "").split(separator: "\"", omittingEmptySubsequences: false)
            return Owner(manager: parts.count > 2 ? String(parts[1]) : "unknown", field: cause.field ?? "")
        }
    }
}

extension APIError {
    /// What an answer with a status of 400 and above means. `action` begins the sentence, e.g. `Cannot apply Function hello`.
    init(_ action: String, httpStatus: Int, status: APIStatus?, text: String) {
        let reason = status?.reason
        let causes = status?.causes ?? []
        let code: Code =
            switch (httpStatus, reason) {
            // A path that the server does not serve is answered in plain text, or without saying of what.
            case (404, _): status?.details?.name == nil && status?.details?.kind == nil ? .notServed : .notFound
            case (409, "AlreadyExists"): .alreadyExists
            case (409, _): causes.contains { $0.reason == "FieldManagerConflict" } ? .foreignOwner : .conflict
            case (410, _): .expired
            case (422, _): .invalid
            case (403, _): .forbidden
            case (401, _): .unauthorized
            case (429, _): .busy
            // Without a reason it is a malformed object: the typed merge of an apply refuses with a bare 500.
            case (500, nil): .refused
            case (500..., _): .failed
            default: .refused
            }
        let said = status?.message ?? String(text.prefix(500).filter { !$0.isNewline })
        self.init(code, "\(action): \(Self.sentence(code, httpStatus, said, causes))", status: status)
    }

    private static func sentence(
        _ code: Code, _ httpStatus: Int, _ said: String, _ causes: [APIStatus.Cause]
    ) -> String {
        switch code {
        case .notServed: "the cluster does not know objects of this kind. Apply Kiln's CRDs, or upgrade the cluster."
        case .unauthorized: "the cluster does not accept Kiln's credentials (401)."
        default: said.isEmpty ? "the API server answered \(httpStatus)." : said.hasSuffix(".") ? said : said + "."
        }
    }
}
