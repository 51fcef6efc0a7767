/// As whom a registry was talked to, in the words of the person who would have to change that.
struct RegistryAccount: Hashable, Sendable {
    /// The registry, as in image references.
    let registry: String
    /// The file with the credentials, if one is configured.
    let path: String?
    /// Whether nothing was found there.
    let isAnonymous: Bool

    private var login: String { registry == "docker.io" ? "docker login" : "docker login \(registry)" }

    /// What to do when the registry wants credentials, or others.
    var refused: String {
        guard let path else {
            return
                "No credentials are configured for \(registry): name a file that has them, as '\(login)' writes it (--registry-credentials FILE)."
        }
        return isAnonymous
            ? "\(path) has no credentials for \(registry): see that it is there and has them, as '\(login)' writes them."
            : "Those for \(registry) in \(path) are wrong or expired, or do not allow this: put others there, as '\(login)' writes them."
    }

    /// What to do when the registry knows who it is, and does not allow it.
    func forbidden(_ act: String) -> String {
        guard !isAnonymous, let path else { return refused }
        return "The account of \(registry) in \(path) may not \(act): give it the right, or put another one there."
    }
}
