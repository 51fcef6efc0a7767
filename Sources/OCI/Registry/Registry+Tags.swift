package import Contract
internal import Transfer

extension Registry {
    /// What became of a deletion.
    package enum Deletion: Sendable, Hashable {
        /// It is gone.
        case deleted
        /// It was not there.
        case absent
        /// This registry does not delete.
        case unsupported
    }

    /// All tags of the repository, over all pages; none if there is no such repository.
    package func tags(_ repository: String) async throws(OCIError) -> [String] {
        var address = try address(repository, "tags/list?n=1000")
        var tags: [String] = []
        // A registry that points in circles must not keep us forever.
        for _ in 0..<1000 {
            let answer = try await collect(RegistryCall(.get, address, pulling: repository))
            if answer.status == 404 { return [] }
            guard answer.status == 200 else {
                throw refusal(answer, "The tags of \(endpoint.name)/\(repository) cannot be read")
            }
            tags += try CanonicalJSON.decode(TagList.self, from: answer.body, what: "The list of tags").tags ?? []
            guard let next = Self.nextPage(answer.headers.values(of: "Link")) else { return tags }
            guard let target = address.resolving(next), target.hasSameOrigin(as: address) else {
                throw OCIError(.locationRefused, "\(endpoint.name) points elsewhere for the rest of its tags.")
            }
            address = target
        }
        throw OCIError(.tooLarge, "\(endpoint.name)/\(repository) has more pages of tags than are read.")
    }

    /// Points `tag` at a manifest that the repository has. Costs reading the manifest and writing it again.
    package func tag(_ repository: String, _ digest: Digest, as tag: String) async throws(OCIError) {
        let (descriptor, bytes) = try await manifest(repository, .digest(digest))
        try await putManifest(bytes, descriptor, to: repository, tag: tag)
    }

    /// Removes a tag and leaves the manifest.
    package func deleteTag(_ repository: String, _ tag: String) async throws(OCIError) -> Deletion {
        try await delete(repository, .tag(tag))
    }

    /// Removes a manifest with all of its tags.
    package func deleteManifest(_ repository: String, _ digest: Digest) async throws(OCIError) -> Deletion {
        try await delete(repository, .digest(digest))
    }

    private func delete(_ repository: String, _ name: ImageReference.Selector) async throws(OCIError) -> Deletion {
        let address = try address(repository, "manifests/\(try name.checked().text)")
        let answer = try await collect(RegistryCall(.delete, address, pushing: repository))
        switch answer.status {
        case 200, 202, 204: return .deleted
        case 404: return .absent
        case 400, 405: return .unsupported
        default: throw refusal(answer, "\(name.text) of \(endpoint.name)/\(repository) cannot be deleted", to: .delete)
        }
    }

    /// The target of `<…>; rel="next"` (RFC 8288).
    static func nextPage(_ links: [String]) -> String? {
        for link in links.flatMap({ $0.split(separator: ",") }) {
            let parts = link.split(separator: ";").map { $0.drop { $0 == " " } }
            guard let target = parts.first, target.hasPrefix("<"), let end = target.firstIndex(of: ">") else {
                continue
            }
            if parts.dropFirst().contains(where: { $0.lowercased().filter { $0 != "\"" && $0 != " " } == "rel=next" }) {
                return String(target[target.index(after: target.startIndex)..<end])
            }
        }
        return nil
    }

    private struct TagList: Decodable {
        var tags: [String]?
    }
}
