import FoundationEssentials

/// The credentials that `docker login`, `podman login` or `skopeo login` have written (`config.json`, `auth.json`): entries in the file itself,
/// or the name of a credential helper that is asked.
///
/// The file is read anew whenever the registry wants credentials, so that a login takes effect at once.
package struct CredentialFile: CredentialSource {
    /// The longest file that is read, in bytes.
    private static let limit = 1 << 20

    private let file: String

    package var path: String? { file }

    /// The file at `path`; it need not exist yet.
    package init(path: String) { file = path }

    package func credentials(for registry: String) async throws(OCIError) -> RegistryEndpoint.Credentials {
        guard FileManager.default.fileExists(atPath: file) else { return .anonymous }
        let bytes: [UInt8]
        do { bytes = Array(try Data(contentsOf: URL(filePath: file))) } catch {
            throw OCIError(.file, "The registry credentials in \(file) cannot be read.", cause: error)
        }
        guard bytes.count <= Self.limit else {
            throw OCIError(.tooLarge, "The registry credentials in \(file) have more than \(Self.limit) bytes.")
        }
        let content = try CanonicalJSON.decode(Content.self, from: bytes, what: "The file \(file)")
        if let helper = content.helper(for: registry) {
            return try await CredentialHelper(helper).credentials(for: registry)
        }
        guard let entry = content.entry(for: registry) else { return .anonymous }
        return try entry.credentials(in: file, registry)
    }

    private struct Content: Decodable {
        var auths: [String: Entry]?
        var credHelpers: [String: String]?
        var credsStore: String?

        /// A helper for this registry comes first, then one for all that have no entry of their own.
        func helper(for registry: String) -> String? {
            if let name = credHelpers?.first(where: { CredentialFile.host(of: $0.key) == registry })?.value {
                return name
            }
            guard let credsStore, !credsStore.isEmpty, entry(for: registry)?.isEmpty != false else { return nil }
            return credsStore
        }

        func entry(for registry: String) -> Entry? {
            guard let auths else { return nil }
            return auths[registry] ?? auths.first { CredentialFile.host(of: $0.key) == registry }?.value
        }
    }

    private struct Entry: Decodable {
        var auth: String?
        var username: String?
        var password: String?
        var identitytoken: String?

        /// docker leaves an empty entry where the helper has the credentials.
        var isEmpty: Bool { auth == nil && username == nil && identitytoken == nil }

        func credentials(in path: String, _ registry: String) throws(OCIError) -> RegistryEndpoint.Credentials {
            if let identitytoken, !identitytoken.isEmpty { return .identityToken(identitytoken) }
            if let username, let password { return .basic(user: username, password: password) }
            guard let auth, !auth.isEmpty else { return .anonymous }
            let text = Data(base64Encoded: auth).map { String(decoding: $0, as: UTF8.self) }
            guard let text, let colon = text.firstIndex(of: ":") else {
                throw OCIError(
                    .malformed, "The entry 'auth' for \(registry) in \(path) is not base64 of USER:PASSWORD.")
            }
            // podman pads the password with NULs.
            let password = text[text.index(after: colon)...].filter { $0 != "\0" }
            return .basic(user: String(text[..<colon]), password: password)
        }
    }

    /// The registry that a key of the file means: docker writes URLs for some, and Docker Hub under its oldest name.
    private static func host(of key: String) -> String {
        var host = key[...]
        for scheme in ["https://", "http://"] where host.hasPrefix(scheme) { host = host.dropFirst(scheme.count) }
        host = host.prefix { $0 != "/" }
        return host == "index.docker.io" ? "docker.io" : String(host)
    }
}
