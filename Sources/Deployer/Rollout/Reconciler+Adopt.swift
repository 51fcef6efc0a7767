import Contract
import Logging

extension Reconciler {
    /// Records a function of another platform, whose images are in the registry, and starts what is live and pinned. Throws a 409 when
    /// there is a function of that name, or the registry has not the image of what is live. What does not start is no error: it is
    /// recorded and shown as it is.
    package func adopt(_ function: FunctionSnapshot) async throws {
        guard let store = store as? any ImportingStore else {
            throw Problem("not-on-this-store", 409, "Not here", "Functions cannot be imported into this platform.")
        }
        let repository = tags.repositories.repository(of: function.name)
        if let live = function.revisions.first(where: { $0.number == function.live }),
            try await !tags.has(PinnedImage(registry: tags.registry, repository: repository, digest: live.digest))
        {
            throw Problem(
                "image-missing", 409, "Image is missing",
                "\(tags.registry)/\(repository) has not the image of revision \(live.number). Import through that registry."
            )
        }
        for item in function.revisions
        where item.pinned || item.number == function.live || function.split?.percent(of: item.number) != nil {
            let image = PinnedImage(registry: tags.registry, repository: repository, digest: item.digest)
            do throws(RolloutFailure) { try await trust?.check(image) } catch {
                throw Self.refusal(error, of: function.name)
            }
        }
        try await lanes.run(function.name) {
            let images = ImagePlace(registry: self.tags.registry, repository: repository)
            guard try await store.adopt(function, images: images) else {
                throw Problem(
                    "function-exists", 409, "Function exists",
                    "There is a function '\(function.name)' already. Delete it before the import, or leave it out with --function."
                )
            }
            guard let record = try await self.store.function(function.name) else { return }
            let wanted = ServingRecord(record.summary, record.revisions)
            for revision in wanted?.revisions ?? [] { await self.startImported(revision) }
            await self.waitForRouters(function.name, try await self.refresh(function.name))
        }
    }

    private func startImported(_ revision: Revision) async {
        do {
            try await bringUp(Workload(revision))
        } catch {
            logger.warning(
                "an imported revision did not start", metadata: ["revision": "\(revision.id)", "error": "\(error)"])
        }
    }
}
