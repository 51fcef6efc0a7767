import Contract
import Logging

extension Reconciler {
    /// The highest revision that the registry knows for `name`, asked once per run of the Deployer.
    func highestTag(_ name: FunctionName) async throws -> Int {
        if let known = knownTags[name] { return known }
        do {
            let highest = try await tags.highestRevision(in: tags.repositories.repository(of: name))
            knownTags[name] = highest
            return highest
        } catch {
            metrics.registryFailed()
            throw Problem(
                "registry-failed", 502, "Registry failed",
                "The registry did not say which revisions of '\(name)' there are: \(error). Try again when it is back.")
        }
    }

    /// Tags `revision`; what fails is repaired later.
    func tag(_ revision: Revision) async {
        do {
            try await tags.tag(revision)
            try await store.markTagged(revision.id)
        } catch {
            metrics.registryFailed()
            logger.warning("tag is missing", metadata: ["revision": "\(revision.id)", "error": "\(error)"])
        }
    }

    /// Adds the tags that are missing, at the start and every minute.
    func repairTags() async {
        while !Task.isCancelled {
            do {
                for revision in try await store.untagged() { await tag(revision) }
            } catch {
                logger.error("cannot read untagged revisions", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: .seconds(60))
        }
    }
}
