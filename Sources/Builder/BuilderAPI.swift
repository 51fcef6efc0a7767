import Contract
import Logging
import NIOHTTP1
import OCI
import Service
import Synchronization
import Telemetry

/// The Builder's HTTP interface: `POST /func`, `POST /func/NAME/rebake`, `POST /base`, `/healthz`, `/readyz`.
package final class BuilderAPI: Sendable {
    /// What the operator allows.
    package struct Limits: Sendable, Hashable {
        /// The bounds of a deploy's options.
        package var spec = SpecLimits()
        /// Most bytes of a source; flag `--max-source`.
        package var sourceBytes = 10 << 20
        /// What an archive of several files may hold.
        package var archive = ArchiveLimits()
        /// Most builds at a time: each may hold modules and what the checker makes of them in memory, and more on disk. Roll-outs are not counted. Flag
        /// `--max-builds`.
        package var builds = 32

        /// The defaults.
        package init() {}
    }

    private struct State {
        var pipeline: BuildPipeline?
        /// Why there is none yet, as a sentence, if something failed.
        var obstacle: String?
        var running = 0
        var update: (@Sendable () async throws -> BaseImage)?
        var isUpdating = false
    }

    /// What is counted.
    package let metrics = BuilderMetrics()
    private let version: String
    private let limits: Limits
    private let logger: Logger
    private let state = Mutex(State())

    /// An interface that answers 503 to deploys until ``open(_:)``; `version` is Kiln's, for its metrics.
    package init(limits: Limits, version: String = "", logger: Logger) {
        self.version = version
        self.limits = limits
        self.logger = logger
    }

    /// Lets deploys in: the base image is there.
    package func open(_ pipeline: BuildPipeline) { state.withLock { $0.pipeline = pipeline } }

    /// Lets `POST /base` see to the base image anew with `update`.
    func allowUpdates(_ update: @escaping @Sendable () async throws -> BaseImage) {
        state.withLock { $0.update = update }
    }

    /// Deploys are told what keeps the base image from being there.
    func wait(because obstacle: String) { state.withLock { $0.obstacle = obstacle } }

    /// Answers one request.
    package func handle(_ request: ServiceRequest) async throws -> ServiceResponse {
        switch request.path {
        case ["healthz"]: return Self.text(200, "ok")
        case ["readyz"]:
            let ready = state.withLock { $0.pipeline != nil }
            return Self.text(ready ? 200 : 503, ready ? "ready" : "starting")
        case ["metrics"]:
            let families = metrics.families(limit: limits.builds)
            return ServiceResponse(
                status: 200, headers: [("Content-Type", MetricText.mediaType)],
                body: .bytes(
                    MetricText.encode(families + ProcessFigures.families(role: "builder", version: version))))
        case ["func"]:
            try allowPost(request)
            return try await deploy(request)
        case let path where path.count == 3 && path[0] == "func" && path[2] == "verify":
            guard request.method == "POST" else {
                throw Problem(
                    "method-not-allowed", 405, "Method not allowed",
                    "This takes POST, not \(request.method).", allow: "POST")
            }
            return try await verify(request, path[1])
        case ["base"]:
            try allowPost(request)
            return try await updateBase(request)
        case _ where request.path.count == 3 && request.path[0] == "func" && request.path[2] == "rebake":
            try allowPost(request)
            return try await rebake(request, request.path[1])
        case _ where request.path.count == 2 && request.path[0] == "func":
            throw Problem(
                "method-not-allowed", 405, "Method not allowed",
                "/\(request.path.joined(separator: "/")) takes GET, HEAD, DELETE, not \(request.method).",
                allow: "GET, HEAD, DELETE")
        default:
            throw Problem(
                "not-found", 404, "Not found",
                "There is no call \(request.method) /\(request.path.joined(separator: "/")).")
        }
    }

    private func allowPost(_ request: ServiceRequest) throws(Problem) {
        guard request.method != "POST" else { return }
        throw Problem(
            "method-not-allowed", 405, "Method not allowed", "The Builder takes POST here, not \(request.method).",
            allow: "POST")
    }

    private func deploy(_ request: ServiceRequest) async throws -> ServiceResponse {
        let wanted = try BuildRequest(query: request.query, limits: limits.spec)
        return try await answering(request, "deploy failed", wanted.name) {
            let (pipeline, build) = try await build(wanted, request)
            return try await answer(build, wanted.name, pipeline, request)
        }
    }

    /// The answer to a deploy or rebake of `name` whose image is made.
    func answer(
        _ build: BuildPipeline.Build, _ name: FunctionName, _ pipeline: BuildPipeline, _ request: ServiceRequest
    ) async throws -> ServiceResponse {
        switch build {
        case .dryRun(let answer): return try .json(answer)
        case .unchanged(let revision, let timings):
            var answer = DeployAnswer(
                revision: revision, unchanged: true, superseded: false, serving: true, timings: timings)
            answer.url = request.externalURL(answer.url)
            return try .json(answer)
        case .ready(let deploy, var remarks, let attestation):
            let reply = try await pipeline.deploy(deploy, of: name, requestID: request.id)
            var answer = reply.answer
            if let attestation {
                let outcome = await attestation.finish()
                remarks.warnings += outcome.warnings
                answer.timings["attest"] = (outcome.milliseconds * 1000).rounded() / 1000
            }
            answer.url = request.externalURL(answer.url)
            answer.typesChecked = remarks.typesChecked
            answer.warnings = remarks.warnings.isEmpty ? nil : remarks.warnings
            answer.dependencies = remarks.dependencies.isEmpty ? nil : remarks.dependencies
            return try .json(answer, status: reply.status)
        }
    }

    /// What `work` answers; what it fails with is logged, and told as far as it is of use to others.
    func answering(
        _ request: ServiceRequest, _ failure: Logger.Message, _ name: FunctionName,
        _ work: () async throws -> ServiceResponse
    ) async throws -> ServiceResponse {
        do {
            return try await work()
        } catch {
            guard let problem = Problem(deployFailedWith: error) else { throw error }
            logger.notice(
                failure,
                metadata: [
                    "requestId": "\(request.id)", "function": "\(name)", "status": "\(problem.status)",
                    "kind": "\(problem.kind)", "detail": "\(problem.detail)",
                ])
            throw problem
        }
    }

    /// The answer of `work`, which counts as a build and has its pipeline.
    func verifying(
        _ request: ServiceRequest, _ work: (BuildPipeline) async throws -> ServiceResponse
    ) async throws -> ServiceResponse {
        let pipeline = try enter()
        defer { state.withLock { $0.running -= 1 } }
        do {
            return try await work(pipeline)
        } catch {
            guard let problem = Problem(deployFailedWith: error) else { throw error }
            throw problem
        }
    }

    private func build(
        _ wanted: BuildRequest, _ request: ServiceRequest
    ) async throws -> (BuildPipeline, BuildPipeline.Build) {
        let pipeline = try enter()
        defer { leave() }
        return try await metrics.build {
            let mediaType = request.headers.first(name: "Content-Type")
            let language = SourceLanguage(mediaType: mediaType)
            let build = try await pipeline.build(wanted, requestID: request.id, language: language) {
                let source = try await SourceBody.read(request, limit: limits.sourceBytes, spool: pipeline.spool)
                metrics.received(try source.size)
                return try await SourceArchive(limits.archive, spool: pipeline.spool)
                    .source(source, mediaType: mediaType, entry: wanted.entry)
            }
            if case .dryRun = build { return ((pipeline, build), "dry-run") }
            return ((pipeline, build), "ok")
        }
    }

    /// A build that ``enter()`` has counted is over.
    func leave() { state.withLock { $0.running -= 1 } }

    /// What sees to the base image anew; `nil` while that is under way. To be followed by ``endUpdate()``.
    func beginUpdate() -> (@Sendable () async throws -> BaseImage)? {
        state.withLock { state in
            guard !state.isUpdating, let update = state.update else { return nil }
            state.isUpdating = true
            return update
        }
    }

    /// The base image is seen to.
    func endUpdate() { state.withLock { $0.isUpdating = false } }

    /// The pipeline, with this build counted among the running ones.
    func enter() throws(Problem) -> BuildPipeline {
        let (pipeline, admitted, obstacle) = state.withLock { state in
            let admitted = state.pipeline != nil && state.running < limits.builds
            if admitted { state.running += 1 }
            return (state.pipeline, admitted, state.obstacle)
        }
        guard let pipeline else {
            throw Problem(
                "starting", 503, "Starting",
                obstacle.map { "The base image is not ready, and is tried again: \($0)" }
                    ?? "The base image is still being made ready; this takes some seconds once.", retryAfter: 2)
        }
        guard admitted else {
            throw Problem(
                "busy", 503, "Too many builds",
                "\(limits.builds) builds are running; try again in a moment. The operator can raise that with --max-builds.",
                retryAfter: 1)
        }
        return pipeline
    }

    private static func text(_ status: Int, _ text: String) -> ServiceResponse {
        ServiceResponse(
            status: status, headers: [("Content-Type", "text/plain")], body: .bytes(Array((text + "\n").utf8)))
    }
}
