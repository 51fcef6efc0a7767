/// Where an image is: a repository of a registry, and in it a digest or, while looking one up, a tag.
///
/// `host[:port]/path@sha256:…` or `host[:port]/path:tag` (OCI distribution-spec, "Pulling manifests"). The registry host is
/// always written out; there is no implied `docker.io`.
package struct ImageReference: Hashable, Sendable, CustomStringConvertible {
    /// What names the manifest inside the repository.
    package enum Selector: Hashable, Sendable {
        /// By content: never changes.
        case digest(Digest)
        /// By name: may be moved.
        case tag(String)
    }

    /// The registry's authority, `host` or `host:port`.
    package let registry: String
    /// The repository path, e.g. `kiln/hello`.
    package let repository: String
    /// The manifest in it.
    package let selector: Selector

    /// An image by its digest.
    package init(registry: String, repository: String, digest: Digest) {
        self.registry = registry
        self.repository = repository
        selector = .digest(digest)
    }

    /// Parses the written form; throws ``InvalidImageReference`` saying what is wrong with it.
    package init(_ text: String) throws(InvalidImageReference) {
        guard let slash = text.firstIndex(of: "/"), slash != text.startIndex else {
            throw InvalidImageReference(text: text, reason: "it has no registry host before the first '/'")
        }
        registry = String(text[..<slash])
        let rest = text[text.index(after: slash)...]
        if let at = rest.firstIndex(of: "@") {
            repository = String(rest[..<at])
            guard let digest = try? Digest(String(rest[rest.index(after: at)...])) else {
                throw InvalidImageReference(text: text, reason: "what follows '@' is not a sha256 digest")
            }
            selector = .digest(digest)
        } else if let colon = rest.lastIndex(of: ":") {
            repository = String(rest[..<colon])
            let tag = String(rest[rest.index(after: colon)...])
            guard Self.isTag(tag) else { throw InvalidImageReference(text: text, reason: "'\(tag)' is not a tag") }
            selector = .tag(tag)
        } else {
            throw InvalidImageReference(text: text, reason: "it ends in neither '@sha256:…' nor ':tag'")
        }
        guard Self.isRepository(repository) else {
            throw InvalidImageReference(text: text, reason: "'\(repository)' is not a repository path")
        }
    }

    /// The digest, when the reference has one.
    package var digest: Digest? { if case .digest(let digest) = selector { digest } else { nil } }

    package var description: String {
        switch selector {
        case .digest(let digest): "\(registry)/\(repository)@\(digest)"
        case .tag(let tag): "\(registry)/\(repository):\(tag)"
        }
    }

    /// Whether `text` is a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (OCI distribution-spec).
    package static func isTag(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128, first != 45, first != 46 else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || isUpper($0) || $0 == 95 || $0 == 45 || $0 == 46 }
    }

    /// Whether `text` is a repository path: lower-case components, separated by `/`, at most 255 characters.
    package static func isRepository(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 255 else { return false }
        return text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { component in
            guard let first = component.utf8.first, let last = component.utf8.last else { return false }
            return isAlphanumeric(first) && isAlphanumeric(last)
                && component.utf8.allSatisfy { isAlphanumeric($0) || $0 == 95 || $0 == 45 || $0 == 46 }
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }
    private static func isUpper(_ byte: UInt8) -> Bool { (65...90).contains(byte) }
}

/// An image by content: the only form that a revision records and an instance runs.
package struct PinnedImage: Hashable, Sendable, CustomStringConvertible {
    /// The registry's authority, `host` or `host:port`.
    package let registry: String
    /// The repository path, e.g. `kiln/hello`.
    package let repository: String
    /// The manifest's digest.
    package let digest: Digest

    /// The manifest `digest` in `repository` of `registry`.
    package init(registry: String, repository: String, digest: Digest) {
        self.registry = registry
        self.repository = repository
        self.digest = digest
    }

    /// The same, as a reference.
    package var reference: ImageReference {
        ImageReference(registry: registry, repository: repository, digest: digest)
    }

    package var description: String { reference.description }
}

extension PinnedImage: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let reference = try container.decode(ImageReference.self)
        guard case .digest(let digest) = reference.selector else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(reference) has no digest")
        }
        self.init(registry: reference.registry, repository: reference.repository, digest: digest)
    }

    package func encode(to encoder: any Encoder) throws { try reference.encode(to: encoder) }
}

/// Why a text is no image reference.
package struct InvalidImageReference: Error, Equatable, CustomStringConvertible {
    /// The rejected text.
    package let text: String
    /// What is wrong with it, as the end of a sentence.
    package let reason: String
    package var description: String {
        "'\(text.prefix(300))' is not an image reference: \(reason). Write host[:port]/path@sha256:… or host[:port]/path:tag."
    }
}

extension ImageReference: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
