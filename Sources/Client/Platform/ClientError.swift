import Contract

/// How a client command ends: the exit codes of docs/cli.md.
package enum ExitStatus: Int32, Sendable, Hashable, CaseIterable {
    /// It failed in a way that no other code is for.
    case failed = 1
    /// The command line, or an option's value, is wrong.
    case usage = 2
    /// The platform cannot be reached, or is not ready.
    case unreachable = 3
    /// There is no such function, revision or secret.
    case notFound = 4
    /// The code does not check, or the function did not start.
    case build = 5
    /// The platform wants a token, or another one.
    case denied = 6

    /// What an answer with `status` means.
    package init(status: Int) {
        self =
            switch status {
            case 400, 405, 412, 413, 414: .usage
            case 401, 403, 421: .denied
            case 404, 410: .notFound
            case 422: .build
            case 503: .unreachable
            default: .failed
            }
    }
}

/// Why a client command failed, in sentences that say what to do.
package struct ClientError: Error, Sendable, CustomStringConvertible {
    /// The kind, and so the exit code.
    package let status: ExitStatus
    /// What happened and what to do.
    package let message: String
    /// What the platform answered, when it did.
    package let problem: Problem?
    /// What follows from errors in the code, in a sentence.
    private let consequence: String

    /// A failure of this program's own.
    package init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
        problem = nil
        consequence = ""
    }

    /// A failure that the platform tells of, or errors in the code and what follows from them.
    package init(_ problem: Problem, consequence: String = "Nothing was changed.") {
        self.consequence = consequence
        status = ExitStatus(status: problem.status)
        self.problem = problem
        let again = problem.retryAfter.map { " Try again in \($0) s." } ?? ""
        message = problem.detail + again
    }

    package var description: String { message }

    /// The sentence under `count` diagnostics.
    func heading(_ count: Int) -> String {
        let title = problem?.title ?? "The code does not check"
        let more = problem?.moreDiagnostics.map { " and \($0) more" } ?? ""
        return "\(title): \(count == 1 ? "1 error" : "\(count) errors")\(more). \(consequence)"
    }

    /// The failure for programs: a problem document (RFC 9457) with the exit code.
    package var document: JSONValue {
        var members =
            problem.flatMap { JSONValue(encoding: $0).object }
            ?? ["type": .string("urn:kiln:client-\(status)"), "title": .string("Failed"), "detail": .string(message)]
        members["exitCode"] = .integer(Int64(status.rawValue))
        return .object(members)
    }
}
