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
            untagged[revision.id] = nil
        } catch {
            untagged[revision.id] = revision
            metrics.registryFailed()
            logger.warning("tag is missing", metadata: ["revision": "\(revision.id)", "error": "\(error)"])
        }
    }

    /// Adds the tags that are missing, at the start and every minute. The store is not asked which these are: of those that it knew at the
    /// start, and those that were recorded since, this Deployer knows whether it has tagged them.
    func repairTags() async {
        while !Task.isCancelled {
            for revision in untagged.values.sorted(by: { ($0.function, $0.number) < ($1.function, $1.number) }) {
                await repairTag(of: revision)
            }
            try? await Task.sleep(for: .seconds(60))
        }
    }

    private func repairTag(of revision: Revision) async {
        do {
            // One that garbage collection has removed meanwhile must not come back.
            let record = try await store.function(revision.function)
            guard record?.revisions.contains(where: { $0.revision.number == revision.number }) == true else {
                untagged[revision.id] = nil
                return
            }
            await tag(revision)
        } catch {
            logger.error("cannot read a revision", metadata: ["revision": "\(revision.id)", "error": "\(error)"])
        }
    }
}
