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
        let end = try await deno.run(
            Sandbox.checker, address: "unix:" + socket, variables: [:], isColored: false, output: .standardError)
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

    /// What runs for `source`; throws what is wrong with it as the platform would answer.
    func check(_ source: [UInt8]) async throws(ClientError) -> CheckedModule {
        let result: CheckResult
        do {
            result = try await CheckerConnection(client: client).check(
                source, file: BuildPlan.sourceFile, at: Endpoint(id: "local", address: .unix(path: socket)))
        } catch {
            throw ClientError(.failed, error.message)
        }
        switch result {
        case .passed(let module): return module
        case .failed(let findings):
            throw Self.failure("The code does not check", findings, "It is started when the file is right.")
        }
    }

    /// Checks the types of the `source` of `module`: what is wrong with them, or why nobody knows; `nil` when they are right.
    func typeErrors(_ module: CheckedModule, _ source: [UInt8]) async -> ClientError? {
        let question = TypesQuestion(source: .module(source), file: BuildPlan.sourceFile, isLenient: module.isPlain)
        do throws(BuilderError) {
            switch try await CheckerConnection(client: client).checkTypes(
                question, at: Endpoint(id: "local", address: .unix(path: socket)))
            {
            case .passed: return nil
            case .failed(let findings):
                return Self.failure(
                    "The types do not check", findings, "The function runs here; 'kiln deploy' would refuse it.")
            case .unchecked(let reason): return ClientError(.failed, "The types were not checked: \(reason)")
            }
        } catch {
            return ClientError(.failed, "The types were not checked: \(error.message)")
        }
    }

    private static func failure(_ title: String, _ findings: Findings, _ consequence: String) -> ClientError {
        ClientError(
            Problem(
                "check-failed", 422, title, "\(title).", diagnostics: findings.diagnostics,
                moreDiagnostics: findings.more == 0 ? nil : findings.more), consequence: consequence)
    }
}
