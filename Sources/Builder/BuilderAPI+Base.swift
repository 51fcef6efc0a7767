import Contract
import Logging
import OCI
import Service

extension BuilderAPI {
    /// `POST /func/NAME/rebake`: makes the live revision again on the base image that there is now.
    func rebake(_ request: ServiceRequest, _ name: String) async throws -> ServiceResponse {
        let wanted = try RebakeRequest(name: name, query: request.query)
        return try await answering(request, "rebake failed", wanted.name) {
            let (pipeline, build) = try await build(wanted, request)
            return try await answer(build, wanted.name, pipeline, request)
        }
    }

    private func build(
        _ wanted: RebakeRequest, _ request: ServiceRequest
    ) async throws -> (BuildPipeline, BuildPipeline.Build) {
        let pipeline = try enter()
        defer { leave() }
        return try await metrics.build {
            let build = try await pipeline.rebake(wanted, requestID: request.id)
            if case .dryRun = build { return ((pipeline, build), "dry-run") }
            return ((pipeline, build), "ok")
        }
    }

    private struct BaseAnswer: Encodable {
        var digest: Digest
        var image: PinnedImage
        var deno: String?
        var platform: String
        /// Whether it was the one for new deploys before.
        var unchanged: Bool
    }

    /// `POST /base`: sees to the base image anew, and makes it the one for new deploys.
    func updateBase(_ request: ServiceRequest) async throws -> ServiceResponse {
        try request.allowQueryItems([])
        let before = try enter().base
        defer { leave() }
        guard let update = beginUpdate() else {
            throw Problem(
                "busy", 503, "Being updated", "The base image is being updated already; try again in a moment.",
                retryAfter: 5)
        }
        defer { endUpdate() }
        do {
            let base = try await update()
            return try .json(
                BaseAnswer(
                    digest: base.digest, image: base.pinned, deno: base.version, platform: base.platforms,
                    unchanged: base.digest == before.digest))
        } catch {
            guard let problem = Problem(deployFailedWith: error) else { throw error }
            throw problem
        }
    }
}
