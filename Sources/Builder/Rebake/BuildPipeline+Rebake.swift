import Contract
import OCI

extension BuildPipeline {
    /// Makes the live revision of a function again on this pipeline's base image: its source and lock come out of its image, its
    /// configuration from the record. Throws ``Contract/Problem``, ``BuilderError`` or `OCIError`.
    package func rebake(_ wanted: RebakeRequest, requestID: String) async throws -> Build {
        let timings = PhaseTimings(metrics)
        let live = try await timings.measure("lookup") {
            try await deployer.live(wanted.name, requestID: requestID)
        }
        let deployed = try await timings.measure("source") {
            try await DeployedSource(live.image.digest, in: live.image.repository, of: registry, spool: spool)
        }
        if deployed.base == base.digest, wanted.mode != .dryRun {
            return .unchanged(live, timings: timings.all())
        }
        let request = BuildRequest(rebaking: live, wanted)
        let build = try await build(
            request, requestID: requestID, language: deployed.language,
            keeping: try deployed.lock.map { try DenoLock($0) }
        ) { deployed.source }
        guard case .ready(var deploy, let remarks, let attestation) = build else { return build }
        deploy.replaces = live.number
        deploy.timings.merge(timings.all().filter { $0.key == "source" }) { $1 }
        return .ready(deploy, remarks, attestation)
    }
}
