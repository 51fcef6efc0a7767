import ArgumentParser
import Contract
import FoundationEssentials
import OCI
import Transfer

/// Which registry keeps the images and how it is spoken to; options of `kiln up`, the Builder and the Deployer.
struct RegistryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The registry of the images, and the path below which the repositories are (default: below 'kiln').",
            valueName: "host[:port][/path]"))
    var registry: String?

    @Flag(help: "Speak HTTP without TLS to the registry; on the loopback device that is so by itself.")
    var registryPlainHttp = false

    @Option(
        help: ArgumentHelp(
            "A PEM file of certificates to trust beside the public ones when the registry is spoken to.",
            valueName: "file"), completion: .file())
    var registryCa: String?

    @Option(
        help: ArgumentHelp(
            "The file with the registry's credentials, as 'docker login' writes it; read again when it changes.",
            valueName: "file"), completion: .file())
    var registryCredentials: String?

    @Option(
        help: ArgumentHelp(
            "A host that the registry may lead to (token service, store of blobs) though it is not on the public internet; may be repeated.",
            valueName: "host"))
    var registryTrustedHost: [String] = []

    @Flag(name: .customLong("registry-embedded"), help: .hidden) var isEmbedded = false

    /// A client of the registry. `http` serves unless an authority of its own is trusted.
    func client(_ http: HTTPClient) throws -> Registry {
        // What the environment says of a registry is not meant for the supervisor's own.
        if isEmbedded, let registry { return try RegistryAccess(registry: registry).client(http, keeper: .kiln) }
        return try access().client(http, keeper: .another)
    }

    /// What was said of the registry, checked.
    func access() throws -> RegistryAccess {
        let text = try Setting.resolve(registry, "REGISTRY", UpOptions.defaultRegistry)
        let access = RegistryAccess(
            registry: text, plainHTTP: registryPlainHttp || Setting.optional("REGISTRY_PLAIN_HTTP") == "true",
            certificates: registryCa ?? Setting.optional("REGISTRY_CA"),
            credentials: registryCredentials ?? Setting.optional("REGISTRY_CREDENTIALS"),
            trustedHosts: Setting.list(registryTrustedHost, "REGISTRY_TRUSTED_HOST"))
        try access.check()
        return access
    }

    /// A client of the registry that has `reference`, which need not be the one of the images: spoken to as that, where it is the same,
    /// else with the same credentials and authorities.
    func client(of reference: ImageReference, _ http: HTTPClient) throws -> Registry {
        let own = isEmbedded ? nil : try? self.access()
        var access = RegistryAccess(registry: reference.registry)
        access.plainHTTP = own.map { $0.plainHTTP && Self.host($0.registry) == reference.registry } ?? false
        access.certificates = registryCa ?? Setting.optional("REGISTRY_CA")
        access.credentials = registryCredentials ?? Setting.optional("REGISTRY_CREDENTIALS")
        access.trustedHosts = Setting.list(registryTrustedHost, "REGISTRY_TRUSTED_HOST")
        try access.check()
        return try access.client(http, keeper: .another)
    }

    private static func host(_ registry: String) -> String { String(registry.prefix { $0 != "/" }) }

    /// The same, if a registry is named at all.
    func external() throws -> RegistryAccess? {
        guard registry != nil || Setting.optional("REGISTRY") != nil else { return nil }
        return try access()
    }
}

/// A registry and how it is spoken to. Names files, and holds no credentials itself.
struct RegistryAccess: Hashable, Codable, Sendable {
    /// `host[:port][/path]`.
    var registry: String
    /// Whether TLS is done without.
    var plainHTTP = false
    /// A PEM file of authorities to trust besides.
    var certificates: String?
    /// The file with the credentials.
    var credentials: String?
    /// Hosts that it may lead to.
    var trustedHosts: [String] = []

    /// Where it is.
    func address() throws -> RegistryAddress {
        do throws(OCIError) { return try RegistryAddress(registry) } catch {
            throw StartError("--registry: \(error.message)")
        }
    }

    /// Throws a sentence when this cannot work. A file with credentials may come later.
    func check() throws {
        _ = try address()
        for host in trustedHosts where WebAddress("https://\(host)/")?.host != host.lowercased() {
            throw StartError(
                "--registry-trusted-host cannot be '\(host)': use a host's name or address, without a port.")
        }
        guard let certificates else { return }
        guard let data = FileManager.default.contents(atPath: certificates) else {
            throw StartError("--registry-ca: the file \(certificates) cannot be read.")
        }
        guard String(decoding: data, as: UTF8.self).contains("-----BEGIN CERTIFICATE-----") else {
            throw StartError("--registry-ca: \(certificates) has no certificate in PEM.")
        }
    }

    /// A client of it.
    func client(_ http: HTTPClient, keeper: RegistryEndpoint.Keeper) throws -> Registry {
        let address = try address()
        var client = http
        if let certificates {
            var configuration = HTTPClient.Configuration()
            configuration.tls = TLSSettings(trust: .systemAnd(pemFile: certificates))
            client = try HTTPClient(configuration)
        }
        let endpoint = RegistryEndpoint(
            name: address.name,
            url: address.url(plainHTTP || address.isLoopback && certificates == nil ? .http : .https),
            trustedHosts: Set(trustedHosts.map { $0.lowercased() }), repositories: address.repositories, keeper: keeper)
        return Registry(endpoint, client: client, credentials: credentials.map { CredentialFile(path: $0) })
    }

    /// The same as arguments for a child.
    var arguments: [String] {
        ["--registry", registry] + (plainHTTP ? ["--registry-plain-http"] : [])
            + ChildArguments.option("--registry-ca", certificates)
            + ChildArguments.option("--registry-credentials", credentials)
            + ChildArguments.options("--registry-trusted-host", trustedHosts)
    }
}
