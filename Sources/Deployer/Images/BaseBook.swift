import Contract

/// Which base image each function's image stands on, as far as it has been asked: images do not change, so it is asked once for each.
///
/// An answer waits a moment for what is not known yet; the rest is found out behind it, for the next one.
package actor BaseBook {
    /// Most images that are remembered.
    static let capacity = 200_000
    /// Most questions to the registry at a time.
    static let parallel = 8
    /// How long an answer waits.
    static let patience = Duration.milliseconds(500)

    private let tags: any RevisionTags
    private var known: [Digest: Digest?] = [:]
    private var wanted: [PinnedImage] = []
    private var asked: Set<Digest> = []
    private var running = 0

    /// A book about the images in the registry of `tags`.
    package init(tags: any RevisionTags) { self.tags = tags }

    /// The bases of `images`, by the images' digests, as far as they are known within `patience`.
    func bases(of images: [PinnedImage], patience: Duration = BaseBook.patience) async -> [Digest: Digest] {
        for image in images where known[image.digest] == nil && asked.insert(image.digest).inserted {
            wanted.append(image)
        }
        while running < Self.parallel, !wanted.isEmpty {
            running += 1
            Task { await work() }
        }
        let deadline = ContinuousClock.now.advanced(by: patience)
        while images.contains(where: { asked.contains($0.digest) }), ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(5))
        }
        var found: [Digest: Digest] = [:]
        for image in images {
            if let base = known[image.digest] ?? nil { found[image.digest] = base }
        }
        return found
    }

    private func work() async {
        while let image = wanted.popLast() {
            do {
                let base = try await tags.base(of: image)
                if known.count >= Self.capacity { known.removeAll() }
                known[image.digest] = .some(base)
            } catch {
                // Asked again the next time.
            }
            asked.remove(image.digest)
        }
        running -= 1
    }
}
