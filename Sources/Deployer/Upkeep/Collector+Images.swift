import Contract
import Logging
import OCI

extension Collector {
    /// Images by repository.
    typealias Images = [String: Set<Digest>]

    /// What goes from the registry.
    struct Garbage {
        /// Images that no revision has.
        var images: Images = [:]
        /// What is kept beside images that go or are gone, by repository and image.
        var attachments: [String: [Digest: [AttachedManifest]]] = [:]
        /// The manifests of images for several platforms that go with them, by repository and image.
        var parts: [String: [Digest: [Digest]]] = [:]

        var isEmpty: Bool { images.isEmpty && attachments.isEmpty }
    }

    /// Removes the images that no revision has from the registry, those of `removed` revisions among them, and has it free their blobs.
    func collectImages(
        _ removed: [Revision], _ mode: Mode, _ report: inout CollectionReport
    ) async throws {
        var garbage = try await garbage(removed, &report)
        guard !garbage.isEmpty else { return }
        report.images = try await tally(garbage, beside: kept(without: removed))
        guard mode == .collect else { return }
        await reconciler.gate.close(waiting: Self.drain)
        do {
            // Looked at again, for now nothing can be added to it.
            garbage = try await self.garbage(removed, &report)
            report.images = try await tally(garbage, beside: kept(without: removed))
            try await delete(garbage, &report)
            await reconciler.gate.open()
        } catch {
            await reconciler.gate.open()
            throw error
        }
    }

    private func delete(_ garbage: Garbage, _ report: inout CollectionReport) async throws {
        let repositories = Set(garbage.images.keys).union(garbage.attachments.keys)
        for repository in repositories.sorted() {
            let images = garbage.images[repository] ?? []
            let attachments = garbage.attachments[repository] ?? [:]
            for subject in images.union(attachments.keys).sorted(by: { $0.hex < $1.hex }) {
                // Signatures go after what they are of: an image without its own could not be run where they are demanded.
                let image = images.contains(subject) ? [subject] + (garbage.parts[repository]?[subject] ?? []) : []
                for digest in image + (attachments[subject] ?? []).map(\.digest) {
                    guard try await inventory.delete(digest, from: repository) else {
                        report.notes.append(
                            "The registry does not delete images: what is garbage there stays until its operator removes it."
                        )
                        report.images = .init()
                        return
                    }
                }
                facts[subject] = nil
            }
        }
        if try await !inventory.sweep() {
            report.notes.append("The images are deleted; when their blobs are freed is up to the registry.")
        }
    }

    /// The images that the record needs, without those that only `removed` revisions have.
    func kept(without removed: [Revision]) async throws -> Images {
        let gone = Set(removed.map(\.id))
        var kept: Images = [:]
        for record in try await reconciler.store.records() {
            for entry in record.revisions where !gone.contains(entry.revision.id) {
                kept[entry.revision.image.repository, default: []].insert(entry.revision.image.digest)
            }
        }
        if let base = await reconciler.baseImage { kept[base.repository, default: []].insert(base.digest) }
        return kept
    }

    /// What is in the registry and not in the record.
    private func garbage(_ removed: [Revision], _ report: inout CollectionReport) async throws -> Garbage {
        let underWay = await reconciler.gate.underWay
        let kept = try await kept(without: removed)
        var garbage = Garbage()
        report.skipped = []
        for repository in try await repositories(kept, removed, &report) {
            let name = reconciler.tags.repositories.function(of: repository)
            if let name, underWay.contains(name) {
                report.skipped.append(name)
                continue
            }
            // Without a word from the Builder, which base image is the right one is not known.
            if name == nil, kept[repository] == nil { continue }
            let needed = kept[repository] ?? []
            let known = removed.filter { $0.image.repository == repository }.map(\.image.digest)
            let tags = try await inventory.tags(of: repository)
            let parts = try await parts(of: needed, in: repository).values.flatMap(\.self)
            let found = try await images(in: repository, tags, needed, beside: known).subtracting(needed)
                .subtracting(parts)
            if !found.isEmpty { garbage.images[repository] = found }
            garbage.parts[repository] = try await self.parts(of: found, in: repository).mapValues { manifests in
                manifests.filter { !needed.contains($0) && !parts.contains($0) && !found.contains($0) }
            }
            let attachments = try await attachments(in: repository, tags, found, needed)
            if !attachments.isEmpty { garbage.attachments[repository] = attachments }
        }
        return garbage
    }

    /// The manifests of those of `images` that are for several platforms.
    private func parts(of images: Set<Digest>, in repository: String) async throws -> [Digest: [Digest]] {
        var parts: [Digest: [Digest]] = [:]
        for digest in images {
            if let manifests = try await facts(of: digest, in: repository)?.manifests, !manifests.isEmpty {
                parts[digest] = manifests
            }
        }
        return parts
    }

    /// What is kept beside images in `repository` that go with this run, or have gone with one that was interrupted.
    private func attachments(
        in repository: String, _ tags: [String], _ garbage: Set<Digest>, _ needed: Set<Digest>
    ) async throws -> [Digest: [AttachedManifest]] {
        var subjects = Dictionary(uniqueKeysWithValues: garbage.map { ($0, [String]()) })
        for tag in tags {
            guard let subject = AttachmentTag(tag)?.subject, !needed.contains(subject) else { continue }
            if subjects[subject] == nil, try await inventory.has(subject, in: repository) { continue }
            subjects[subject, default: []].append(tag)
        }
        var found: [Digest: [AttachedManifest]] = [:]
        for (subject, tags) in subjects {
            // A list that somebody else has written may name anything.
            let attached = try await inventory.attached(to: subject, tags: tags, in: repository)
                .filter { !needed.contains($0.digest) }
            if !attached.isEmpty { found[subject] = attached }
        }
        return found
    }

    /// Kiln's repositories: those that the registry lists, else those that the record knows.
    private func repositories(
        _ kept: Images, _ removed: [Revision], _ report: inout CollectionReport
    ) async throws -> [String] {
        let names = reconciler.tags.repositories
        if let listed = try await inventory.listed() { return listed.filter(names.contains) }
        let note =
            "The registry does not list its repositories: the images of functions that are deleted stay until its operator removes them."
        if !report.notes.contains(note) { report.notes.append(note) }
        return Set(kept.keys).union(removed.map(\.image.repository)).filter(names.contains).sorted()
    }

    /// The images in `repository` but those with what `needed` ones import; `removed` are known to be there.
    private func images(
        in repository: String, _ tags: [String], _ needed: Set<Digest>, beside removed: [Digest]
    ) async throws -> Set<Digest> {
        let known = needed.union(removed)
        guard !tags.isEmpty else { return [] }
        // Every image of a function has one tag of the Builder's. As many tags as images: nothing unknown is there, and only the tags of
        // what is imported need be looked up.
        let areKnown = tags.count { $0.hasPrefix("b-") } == known.count
        var imports: Set<String> = []
        // The layers of images that an older Kiln made, which do not say what they import.
        var unsaid: Set<Digest> = []
        for digest in needed {
            guard let image = try await facts(of: digest, in: repository) else { continue }
            if let tag = image.imports { imports.insert(tag) } else { unsaid.formUnion(image.layers) }
        }
        // What is imported may have another tag beside, by what its resolution began with.
        var imported: Set<Digest> = []
        if tags.contains(where: { $0.hasPrefix("d-") && !imports.contains($0) }) {
            for tag in tags where imports.contains(tag) {
                if let digest = try await inventory.digest(of: tag, in: repository) { imported.insert(digest) }
            }
        }
        var images = areKnown ? known : []
        for tag in tags where !imports.contains(tag) && (!areKnown || tag.hasPrefix("d-")) {
            // What vouches for an image is none, and what has been vouched for has a tag of the Builder's too.
            if AttachmentTag(tag) != nil || tag.hasPrefix("a-") { continue }
            guard let digest = try await inventory.digest(of: tag, in: repository) else { continue }
            // Its last layer is what is imported; those below are the base's, which every function has.
            if tag.hasPrefix("d-"), !unsaid.isEmpty,
                let last = try await facts(of: digest, in: repository)?.layers.last, unsaid.contains(last)
            {
                continue
            }
            if !imported.contains(digest) { images.insert(digest) }
        }
        return images
    }

    private func tally(_ garbage: Garbage, beside kept: Images) async throws -> CollectionReport.Tally {
        var needed: Set<Digest> = []
        for (repository, digests) in kept {
            for digest in digests {
                needed.formUnion(try await facts(of: digest, in: repository)?.blobs.keys.map(\.self) ?? [])
            }
        }
        var tally = CollectionReport.Tally()
        var counted: Set<Digest> = []
        for (repository, digests) in garbage.images {
            tally.count += digests.count
            for digest in digests {
                for (blob, size) in try await facts(of: digest, in: repository)?.blobs ?? [:]
                where !needed.contains(blob) && counted.insert(blob).inserted { tally.bytes += size }
            }
        }
        for manifest in garbage.attachments.values.flatMap(\.values).flatMap(\.self) {
            for (blob, size) in manifest.blobs where counted.insert(blob).inserted { tally.bytes += size }
        }
        return tally
    }

    /// What an image is made of, asked once; `nil` when the registry does not have it.
    func facts(of digest: Digest, in repository: String) async throws -> ImageFacts? {
        if let known = facts[digest] { return known }
        let read = try await inventory.facts(of: digest, in: repository)
        // Some 100 MB; a full memory is emptied, which costs requests only.
        if facts.count >= 100_000 { facts.removeAll() }
        facts[digest] = read
        return read
    }
}
