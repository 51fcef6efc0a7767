import Contract
import OCI

/// Has sources judged by the checker, and turns what it says into answers for developers.
///
/// The checker may end at any time, be it that a source was too much for it: the next one is asked then.
struct SourceJudge: Sendable {
    /// Most checkers that are asked the same question.
    private static let mostCheckers = 3

    let checker: any SourceChecker
    let deployer: any DeployerClient
    /// The longest that a deploy waits for a checker that is being started.
    let patience: Duration
    private let memory = CheckMemory()

    init(checker: any SourceChecker, deployer: any DeployerClient, patience: Duration) {
        self.checker = checker
        self.deployer = deployer
        self.patience = patience
    }

    /// What the checker makes of the plan's source, its types aside; throws a 422 ``Contract/Problem`` for one that cannot run.
    func module(of plan: BuildPlan, _ ticket: Ticket, requestID: String) async throws -> CheckedModule {
        let result = try await memory.check(.check(plan.inputDigest)) {
            try await asking(ticket.checker, requestID) { endpoint throws(BuilderError) in
                switch plan.source {
                case .module(let source): try await checker.check(source, file: plan.file, at: endpoint)
                case .files(let tree): try await checker.check(tree, at: endpoint)
                }
            }
        }
        switch result {
        case .passed(let module): return module
        case .failed(let findings): throw Self.problem(findings)
        }
    }

    /// The compiled code of a module for which that pays. What cannot be made is left out, which costs only time at the starts.
    func caches(of module: CheckedModule, _ ticket: Ticket, requestID: String) async throws -> CodeCaches {
        guard module.isCompiledAhead else { return .none }
        do {
            return try await asking(ticket.checker, requestID) { endpoint throws(BuilderError) in
                try await checker.caches(of: module.code, at: endpoint)
            }
        } catch is BuilderError {
            return .none
        }
    }

    /// Whether the types of the plan's source, which imports `packages`, are right: throws a 422 ``Contract/Problem`` when they are not.
    func types(
        of plan: BuildPlan, _ module: CheckedModule, with packages: PackageTypes?, _ ticket: Ticket, requestID: String
    ) async throws -> TypeVerdict {
        guard plan.typeChecking == .wanted else { return .notWanted }
        let isLenient = module.isPlain && plan.language == .unstated
        let result: TypesResult
        do {
            let question = TypesQuestion(source: plan.source, file: plan.file, isLenient: isLenient)
            let key = CheckMemory.Key.types(plan.inputDigest, isLenient: isLenient, packages: packages?.digest)
            result = try await memory.types(key) {
                try await asking(ticket.checker, requestID) { endpoint throws(BuilderError) in
                    guard let packages else { return try await checker.checkTypes(question, at: endpoint) }
                    return try await checker.checkTypes(question, with: packages, at: endpoint)
                }
            }
        } catch let error as BuilderError where error.code == .checkerUnavailable || error.code == .checkerTooSlow {
            result = .unchecked(error.message)
        }
        switch result {
        case .passed(let note): return .right(note: note)
        case .failed(let findings): throw Self.problem(findings)
        case .unchecked(let reason): return .unknown(reason)
        }
    }

    /// What `work` finds out from the checker at `first`, or from another when that one has ended.
    private func asking<Result>(
        _ first: Endpoint?, _ requestID: String, _ work: (Endpoint) async throws(BuilderError) -> Result
    ) async throws -> Result {
        let deadline = ContinuousClock.now.advanced(by: patience)
        var endpoint = first
        var asked = 0
        while true {
            if let endpoint {
                do throws(BuilderError) {
                    return try await work(endpoint)
                } catch {
                    asked += 1
                    guard error.code == .checkerUnavailable, asked < Self.mostCheckers, ContinuousClock.now < deadline
                    else { throw error }
                }
            } else if ContinuousClock.now >= deadline {
                throw BuilderError(.checkerUnavailable, "No checker runs now; it is being started.")
            }
            try await Task.sleep(for: .milliseconds(100))
            endpoint = try await deployer.checker(requestID: requestID)
        }
    }

    private static func problem(_ findings: Findings) -> Problem {
        Problem(
            "check-failed", 422, "The code does not check", summary(of: findings), diagnostics: findings.diagnostics,
            moreDiagnostics: findings.more == 0 ? nil : findings.more)
    }

    /// The first finding as a sentence, and how many there are beside it.
    static func summary(of findings: Findings) -> String {
        guard let first = findings.diagnostics.first else { return "The code does not check." }
        let place = [first.file, first.line.map(String.init), first.column.map(String.init)].compactMap(\.self)
        let others = findings.diagnostics.count - 1 + findings.more
        let unlisted = findings.more == 0 ? "" : "; the first \(findings.diagnostics.count) are listed"
        return "\(place.joined(separator: ":")): \(first.message)"
            + (others == 0 ? "" : " (and \(others) more\(unlisted))")
    }
}

/// What is known of the types of code that may go live.
enum TypeVerdict: Sendable, Hashable {
    /// They have been checked; the sentence, if any, says what the check could not see.
    case right(note: String?)
    /// The deploy asked not to check them.
    case notWanted
    /// They could not be checked; the sentence says why.
    case unknown(String)

    /// Whether they have been checked.
    var isChecked: Bool { if case .right = self { true } else { false } }
}
