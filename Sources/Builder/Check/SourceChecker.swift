import Contract

/// A module that may run: what the checker made of a function's source.
package struct CheckedModule: Sendable, Hashable {
    /// How it handles requests.
    package let form: HandlerForm
    /// The JavaScript that runs, with an inline source map.
    package let code: String
    /// Whether the source is JavaScript as it stands, with nothing in it that only TypeScript has.
    package let isPlain: Bool
    /// What it imports from elsewhere, each once.
    package let imports: [ExternalImport]
    /// What was made of several files; `nil` for a single module.
    package let files: CheckedFiles?

    /// Several files that handle requests as `form` says.
    package init(form: HandlerForm, files: CheckedFiles, imports: [ExternalImport] = []) {
        self.form = form
        self.files = files
        self.imports = imports
        code = ""
        isPlain = false
    }

    /// Bytes of all that was made.
    var size: Int {
        guard let files else { return code.utf8.count }
        return files.modules.reduce(files.importMap.count) { $0 + $1.code.utf8.count }
    }

    /// What the developer should know of the configuration among its files: sentences.
    package var warnings: [String] { files?.warnings ?? [] }

    /// How a container runs it: what follows the flags of `deno run`.
    package var command: [String] { form.command(files.map { "/app/source/\($0.main)" }) }

    /// Whether anything that it imports from elsewhere is needed when it runs.
    package var needsImports: Bool { imports.contains { $0.types != true } }

    /// Whether its own code is compiled when it is baked: a single module with nothing from elsewhere, whose caches would hide its own.
    var isCompiledAhead: Bool {
        files == nil && !needsImports && (CodeCaches.worthwhile...CodeCaches.most).contains(code.utf8.count)
    }

    /// The JavaScript `code` that handles requests as `form` says.
    package init(form: HandlerForm, code: String, isPlain: Bool = false, imports: [ExternalImport] = []) {
        files = nil
        self.form = form
        self.code = code
        self.isPlain = isPlain
        self.imports = imports
    }
}

/// What the checker made of a function's files.
package struct CheckedFiles: Sendable, Hashable {
    /// A module that runs in the place of another.
    package struct Module: Sendable, Hashable {
        /// Its path among the function's files; none of them has it.
        package let path: String
        /// The JavaScript, with an inline source map.
        package let code: String
    }

    /// The path of the module that runs first, beside the function's files.
    package let main: String
    /// What was made of TypeScript.
    package let modules: [Module]
    /// The import map to run with, as JSON.
    package let importMap: [UInt8]
    /// What the developer should know: sentences.
    package let warnings: [String]
}

/// What is wrong with a source: a bounded list, and how many findings there are beside it.
package struct Findings: Sendable, Hashable {
    /// The first findings; at least one.
    package let diagnostics: [Problem.Diagnostic]
    /// How many more there are.
    package let more: Int

    /// `diagnostics`, and `more` that are not listed.
    package init(_ diagnostics: [Problem.Diagnostic], more: Int = 0) {
        self.diagnostics = diagnostics
        self.more = more
    }
}

/// What came of a check.
package enum CheckResult: Sendable, Hashable {
    /// The source can run.
    case passed(CheckedModule)
    /// It cannot, for these reasons.
    case failed(Findings)
}

/// What came of a check of types.
package enum TypesResult: Sendable, Hashable {
    /// The types are right; the sentence, if any, says what could not be seen.
    case passed(note: String?)
    /// They are not, for these reasons.
    case failed(Findings)
    /// There is no judgement; the sentence says why.
    case unchecked(String)
}

/// What a type check asks.
package struct TypesQuestion: Sendable, Hashable {
    /// The source.
    package var source: FunctionSource
    /// The name of a single module in diagnostics.
    package var file: String
    /// Whether the module is taken as JavaScript, of which only what is certainly wrong is reported: nobody has said that it
    /// is TypeScript, and nothing in it does.
    package var isLenient: Bool

    /// A question about `source`.
    package init(source: FunctionSource, file: String, isLenient: Bool) {
        self.source = source
        self.file = file
        self.isLenient = isLenient
    }
}

/// Judges source that no one trusts. Every call throws ``BuilderError`` `checkerUnavailable`, `checkerBusy`, `checkerTooSlow` or
/// `checkerAnswer` when there is no judgement.
package protocol SourceChecker: Sendable {
    /// Checks the module `source`, called `file` in diagnostics, with the checker at `endpoint`: all but its types.
    func check(_ source: [UInt8], file: String, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult

    /// Checks the modules of `tree` with the checker at `endpoint`: all but their types.
    func check(_ tree: FileTree, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult

    /// Compiles `code`, and runs none of it.
    func caches(of code: String, at endpoint: Endpoint) async throws(BuilderError) -> CodeCaches

    /// Checks the types of a source that has passed the other check.
    func checkTypes(_ question: TypesQuestion, at endpoint: Endpoint) async throws(BuilderError) -> TypesResult

    /// Checks the types of a source that imports `packages`, and how it uses theirs.
    func checkTypes(
        _ question: TypesQuestion, with packages: PackageTypes, at endpoint: Endpoint
    ) async throws(BuilderError) -> TypesResult
}
