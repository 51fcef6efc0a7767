import Contract
import Logging

/// A store in which others than Kiln may write what is wanted.
package protocol DeclarativeStore: FunctionStore {
    /// What the object of `name` asks for and no deploy has recorded; `nil` when there is nothing of the kind.
    func unrecorded(_ name: FunctionName) async throws -> (image: PinnedImage, spec: FunctionSpec)?
}

extension Reconciler {
    /// Deploys what the object of `name` asks for, if that is not recorded yet. Throws when it could not be looked at or recorded; that a
    /// roll-out failed is recorded, and no reason to throw.
    package func deployObject(_ name: FunctionName) async throws {
        guard let store = store as? any DeclarativeStore else { return }
        try await lanes.run(name) {
            guard let wanted = try await store.unrecorded(name) else { return }
            // A registry that does not answer is asked again; what it says of the image is told of the revision.
            if let trust = self.trust {
                do throws(RolloutFailure) { try await trust.check(wanted.image) } catch {
                    if error.code == .image { throw error }
                }
            }
            let ticket = try await store.issueTicket(for: name)
            let draft = RevisionDraft(
                function: name, image: wanted.image, spec: wanted.spec, ticket: ticket, now: .now(), source: .object)
            guard case .pending(let revision) = try await store.record(draft, floor: try await self.highestTag(name))
            else { return }
            self.logger.info(
                "revision recorded from the function's object",
                metadata: ["revision": "\(revision.id)", "image": "\(revision.image)"])
            Task { await self.tag(revision) }
            do {
                _ = try await self.rollOut(revision, ticket: ticket, cause: .deploy)
            } catch let problem as Problem {
                self.logger.debug("roll-out failed", metadata: ["problem": "\(problem.detail)"])
            }
        }
    }

    /// The object of `name` is gone: so is everything that served for it, unless there is one again.
    package func objectRemoved(_ name: FunctionName) async throws {
        try await lanes.run(name) {
            guard try await self.store.function(name) == nil, let record = await self.serving[name] else { return }
            let version = try await self.refresh(name)
            for revision in record.revisions {
                await self.scheduleRetirement(.revision(revision.id), after: version)
            }
        }
    }
}
