internal import Transfer

extension Registry {
    /// All repositories, over all pages (`GET /v2/_catalog`); none if the registry does not tell.
    package func repositories() async throws(OCIError) -> [String] {
        var address = try address("_catalog?n=1000")
        var repositories: [String] = []
        // A registry that points in circles must not keep us forever.
        for _ in 0..<1000 {
            var call = RegistryCall(.get, address)
            call.scopes = ["registry:catalog:*"]
            let answer = try await collect(call)
            if answer.status == 404 || answer.status == 405 { return [] }
            guard answer.status == 200 else {
                throw OCIError(refusal: answer, "The repositories of \(endpoint.name) cannot be listed")
            }
            let page = try CanonicalJSON.decode(Catalog.self, from: answer.body, what: "The list of repositories")
            repositories += page.repositories ?? []
            guard let next = Self.nextPage(answer.headers.values(of: "Link")) else { return repositories }
            guard let target = address.resolving(next), target.hasSameOrigin(as: address) else {
                throw OCIError(.locationRefused, "\(endpoint.name) points elsewhere for the rest of its repositories.")
            }
            address = target
        }
        throw OCIError(.tooLarge, "\(endpoint.name) has more pages of repositories than are read.")
    }

    private struct Catalog: Decodable {
        var repositories: [String]?
    }
}
