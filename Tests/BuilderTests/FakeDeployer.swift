import Builder
import Contract
import FoundationEssentials
import Logging
import NIOHTTP1
import Service
import Synchronization

/// A Deployer that only writes down what it is told, behind the same HTTP calls as the real one.
final class FakeDeployer: Sendable {
    static let token = "internal-token-of-the-test"

    struct State {
        var checker: Endpoint?
        var tickets = 0
        var deploys: [DeployRequest] = []
        var requestIDs: Set<String> = []
        var base: PinnedImage?
        var refusal: Problem?
        var demandsSignatures = false
        var onDeploy: (@Sendable (DeployRequest) async throws -> Void)?
        var live: [String: PinnedImage] = [:]
        var revisions: [String: Revision] = [:]
    }

    private let state: Mutex<State>

    init(checker: Endpoint?) { state = Mutex(State(checker: checker)) }

    /// What it was told so far.
    var deploys: [DeployRequest] { state.withLock { $0.deploys } }
    var base: PinnedImage? { state.withLock { $0.base } }
    var tickets: Int { state.withLock { $0.tickets } }
    var requestIDs: Set<String> { state.withLock { $0.requestIDs } }

    /// Answers every deploy with `problem` from now on.
    func refuse(with problem: Problem?) { state.withLock { $0.refusal = problem } }

    /// Says of the last deploy that it is of `image`.
    func replaceImage(with image: PinnedImage) { state.withLock { $0.deploys[$0.deploys.count - 1].image = image } }

    /// Has tickets say that images must be signed, and looks at each deploy with `look`.
    func demandSignatures(_ look: @escaping @Sendable (DeployRequest) async throws -> Void) {
        state.withLock {
            $0.demandsSignatures = true
            $0.onDeploy = look
        }
    }

    /// Makes `image` the live one of the function `name`, as a rollback does.
    func setLive(_ name: String, _ image: PinnedImage?) { state.withLock { $0.live[name] = image } }

    /// Makes `revision` the live one of its function.
    func setLive(_ revision: Revision) {
        state.withLock { state in
            state.live[revision.function.value] = revision.image
            state.revisions[revision.function.value] = revision
        }
    }

    /// Has tickets name another checker, or none.
    func setChecker(_ endpoint: Endpoint?) { state.withLock { $0.checker = endpoint } }

    /// Serves on a unix socket until cancelled.
    func run(socket: String, onListening: @escaping @Sendable () -> Void) async throws {
        let service = HTTPService(
            token: Self.token, logger: Logger(label: "fake deployer") { _ in SwiftLogNoOpLogHandler() }
        ) {
            try await self.handle($0)
        }
        try await service.run(on: .unix(path: socket)) { _ in onListening() }
    }

    private func handle(_ request: ServiceRequest) async throws -> ServiceResponse {
        let body = try await request.body.collect(upTo: 1 << 20)
        _ = state.withLock { $0.requestIDs.insert(request.id) }
        switch (request.method, request.path.last) {
        case ("POST", "tickets"):
            let name = request.path[2]
            let ticket = state.withLock { state in
                state.tickets += 1
                return Ticket(
                    number: state.tickets, repository: "kiln/\(name)", checker: state.checker,
                    signatureDemanded: state.demandsSignatures ? true : nil, live: state.live[name])
            }
            return try .json(ticket)
        case ("GET", "revision"):
            let wanted = try request.queryItem("revision").flatMap { Int($0) }
            let deploys = state.withLock { $0.deploys }
            let number = wanted ?? deploys.count
            guard deploys.indices.contains(number - 1) else {
                throw Problem("unknown-revision", 404, "Unknown", "None.")
            }
            return try .json(DeployedRevision(number: number, image: deploys[number - 1].image))
        case ("GET", "checker"): return try .json(CheckerPlace(checker: state.withLock { $0.checker }))
        case ("DELETE", _) where request.path.dropLast().last == "tickets": return ServiceResponse(status: 204)
        case ("POST", "revisions"):
            if let problem = state.withLock({ $0.refusal }) { throw problem }
            let deploy = try JSON.decode(DeployRequest.self, from: body)
            try await state.withLock { $0.onDeploy }?(deploy)
            let number = state.withLock { state in
                state.deploys.append(deploy)
                state.live[request.path[2]] = deploy.image
                return state.deploys.count
            }
            let revision = Revision(
                function: try FunctionName(request.path[2]), number: number, image: deploy.image, spec: deploy.spec,
                created: Timestamp(milliseconds: 0))
            state.withLock { $0.revisions[request.path[2]] = revision }
            let answer = DeployAnswer(
                revision: revision, unchanged: false, superseded: false, serving: deploy.wait, timings: deploy.timings)
            return try .json(answer, status: deploy.wait ? 201 : 202)
        case ("GET", "live"):
            guard let live = state.withLock({ $0.revisions[request.path[2]] }) else {
                throw Problem("unknown-function", 404, "No such function", "There is no such function.")
            }
            return try .json(live)
        case ("PUT", "base"):
            let image = try JSON.decode(PinnedImage.self, from: body)
            state.withLock { $0.base = image }
            return ServiceResponse(status: 204)
        default: throw Problem("not-found", 404, "Not found", "No such call.")
        }
    }
}
