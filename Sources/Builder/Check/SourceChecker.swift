import Contract

/// A module that may run: what the checker made of a function's source.
package struct CheckedModule: Sendable, Hashable {
    /// How it handles requests.
    package let form: HandlerForm
    /// The JavaScript that runs, with an inline source map.
    package let code: String

    /// The JavaScript `code` that handles requests as `form` says.
    package init(form: HandlerForm, code: String) {
        self.form = form
        self.code = code
    }
}

/// What came of a check.
package enum CheckResult: Sendable, Hashable {
    /// The source can run.
    case passed(CheckedModule)
    /// It cannot, for these reasons; at least one.
    case failed([Problem.Diagnostic])
}

/// Judges source that no one trusts.
package protocol SourceChecker: Sendable {
    /// Checks the module `source`, called `file` in diagnostics, with the checker at `endpoint`.
    ///
    /// Throws ``BuilderError`` `checkerUnavailable`, `checkerTooSlow` or `checkerAnswer` when there is no judgement.
    func check(_ source: [UInt8], file: String, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult
}
