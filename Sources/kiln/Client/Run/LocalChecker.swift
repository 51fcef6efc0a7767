import Builder
import Client
import Contract
import SystemPackage
import Transfer

/// The platform's checker, outside of a container: it finds the same errors and decides the same handler form.
struct LocalChecker: Sendable {
    private let deno: LocalDeno
    private let client: HTTPClient

    /// A checker of `deno`; ``run()`` has to be going on.
    init(_ deno: LocalDeno) throws(ClientError) {
        self.deno = deno
        do {
            client = try HTTPClient()
        } catch {
            throw ClientError(.failed, error.message)
        }
    }

    private var socket: String { deno.directory + "/run/checker.sock" }

    /// Runs the checker until the task is cancelled.
    func run() async throws(ClientError) {
        // Where Deno keeps what it fetches for the function, and where from: types of packages are checked with that.
        let fetching: JSONValue = .object([
            "directory": .string(deno.modules), "environment": .object(deno.sources.mapValues { .string($0) }),
        ])
        let end = try await deno.run(
            Sandbox.checker + [fetching.text], address: "unix:" + socket, variables: [:], isColored: false,
            output: .standardError)
        guard !Task.isCancelled else { return }
        throw ClientError(.failed, "The checker ended (\(end)); what it printed is above.")
    }

    /// Waits until the checker answers.
    func waitUntilReady() async throws(ClientError) {
        let deadline = ContinuousClock.now + .seconds(60)
        while !Task.isCancelled {
            let request = ClientRequest(.get, "http://checker/healthz", socket: socket)
            if (try? await client.collect(request))?.status == 200 { return }
            guard .now < deadline else {
                throw ClientError(.failed, "The checker did not start within a minute. Is \(deno.program) a Deno?")
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private var endpoint: Endpoint { Endpoint(id: "local", address: .unix(path: socket)) }

    /// What runs for `plan`; throws what is wrong with its source as the platform would answer.
    func check(_ plan: BuildPlan) async throws(ClientError) -> CheckedModule {
        let connection = CheckerConnection(client: client)
        let result: CheckResult
        do {
            result =
                switch plan.source {
                case .module(let source): try await connection.check(source, file: plan.file, at: endpoint)
                case .files(let tree): try await connection.check(tree, at: endpoint)
                }
        } catch {
            throw ClientError(.failed, error.message)
        }
        switch result {
        case .passed(let module): return module
        case .failed(let findings):
            throw Self.failure("The code does not check", findings, "It is started when the source is right.")
        }
    }

    /// What is known of the types of a source.
    enum Verdict: Sendable {
        /// They are right; the sentence, if any, says what the check could not see.
        case right(note: String?)
        /// What is wrong with them, or why nobody knows.
        case failed(ClientError)
    }

    /// Checks the types of the source of `plan`, which is `module`, and how it uses packages with what Deno fetches of them itself.
    func types(of plan: BuildPlan, _ module: CheckedModule) async -> Verdict {
        let connection = CheckerConnection(client: client)
        let question = TypesQuestion(
            source: plan.source, file: plan.file, isLenient: module.isPlain && plan.language == .unstated)
        do throws(BuilderError) {
            let result =
                module.imports.isEmpty
                ? try await connection.checkTypes(question, at: endpoint)
                : try await connection.checkTypesFetching(question, at: endpoint)
            switch result {
            case .passed(let note): return .right(note: note)
            case .failed(let findings):
                return .failed(
                    Self.failure(
                        "The types do not check", findings, "The function runs here; 'kiln deploy' would refuse it."))
            case .unchecked(let reason): return .failed(ClientError(.failed, "The types were not checked: \(reason)"))
            }
        } catch {
            return .failed(ClientError(.failed, "The types were not checked: \(error.message)"))
        }
    }

    private static func failure(_ title: String, _ findings: Findings, _ consequence: String) -> ClientError {
        ClientError(
            Problem(
                "check-failed", 422, title, "\(title).", diagnostics: findings.diagnostics,
                moreDiagnostics: findings.more == 0 ? nil : findings.more), consequence: consequence)
    }
}
