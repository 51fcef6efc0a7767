internal import Transfer

extension Registry {
    /// All repositories, over all pages (`GET /v2/_catalog`); `nil` if the registry does not tell, or not us: those of several tenants
    /// keep their list to themselves.
    package func repositories() async throws(OCIError) -> [String]? {
        var address = try address("_catalog?n=1000")
        var repositories: [String] = []
        // A registry that points in circles must not keep us forever.
        for _ in 0..<1000 {
            var call = RegistryCall(.get, address)
            call.scopes = ["registry:catalog:*"]
            let answer: CollectedResponse
            do throws(OCIError) { answer = try await collect(call) } catch {
                guard error.code == .unauthorized else { throw error }
                return nil
            }
            if [401, 403, 404, 405].contains(answer.status) { return nil }
            guard answer.status == 200 else {
                throw refusal(answer, "The repositories of \(endpoint.name) cannot be listed")
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
