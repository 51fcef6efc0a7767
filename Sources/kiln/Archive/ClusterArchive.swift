import ArgumentParser
import Client
import Contract
import Deployer
import FoundationEssentials
import Kubernetes
import Logging
import Service
import Transfer

/// The cluster that functions are exported from; options of `kiln export` and `kiln import` alike.
struct ClusterExportOptions: ParsableArguments {
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var registry: RegistryOptions

    @Option(
        help: ArgumentHelp(
            "Kiln's own namespace, where the counters are (default: kiln-system).", valueName: "name"))
    var systemNamespace: String?

    /// Throws when options for a cluster are given without one.
    func validate() throws {
        guard !cluster.isWanted, registry.registry != nil || systemNamespace != nil else { return }
        throw ValidationError("--registry and --system-namespace are for clusters: add --kubernetes.")
    }

    /// The record of the cluster.
    func store() throws -> KubernetesStore {
        let api = try APIClient(
            try cluster.connection(), APIClient.Configuration(),
            logger: Logger(label: "kiln") { _ in SwiftLogNoOpLogHandler() })
        let system = try Setting.resolve(systemNamespace, "SYSTEM_NAMESPACE", "kiln-system")
        return KubernetesStore(api, namespace: try cluster.functions(), system: system)
    }
}

/// The cluster that functions are brought into.
struct ClusterImportOptions: ParsableArguments {
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var registry: RegistryOptions

    @Option(
        help: ArgumentHelp(
            "Where a Deployer of the cluster is asked, for example through 'kubectl port-forward'.",
            valueName: "host:port"))
    var deployer: ListenOption?

    @Option(
        help: ArgumentHelp("A file with the token that the roles show each other.", valueName: "file"),
        completion: .file())
    var internalTokenFile: String?

    /// Throws when options for a cluster are given without one.
    func validate() throws {
        guard !cluster.isWanted, registry.registry != nil || deployer != nil || internalTokenFile != nil else { return }
        throw ValidationError("--registry, --deployer and --internal-token-file are for clusters: add --kubernetes.")
    }

    /// The Deployer.
    func access(_ http: HTTPClient) throws -> DeployerAccess {
        guard let deployer else {
            throw StartError(
                "Say where a Deployer is with --deployer, for example after: kubectl -n kiln-system port-forward service/kiln-deployer 7002"
            )
        }
        guard let path = internalTokenFile ?? Setting.optional("INTERNAL_TOKEN_FILE") else {
            throw StartError(
                "Name a file with the token between roles by --internal-token-file; it is the key 'internal' of the Secret kiln-tokens."
            )
        }
        return DeployerAccess(
            http: http, address: RoleAddress(address: .tcp(host: deployer.host, port: deployer.port)),
            token: try RoleOptions.token(path))
    }
}

/// An archive of a cluster's functions, written or read.
struct ClusterArchive {
    let file: String

    /// Writes what the cluster has of `names`, or all of it.
    func write(
        _ options: ClusterExportOptions, _ names: [FunctionName], secrets withSecrets: Bool, _ printer: Printer
    ) async throws(ClientError) {
        do {
            try ArchiveOutput.check(file)
            let registry = try options.registry.client(try HTTPClient())
            let secrets = withSecrets ? try await ClusterSecrets(options.cluster).values() : [:]
            let archive = try await ArchiveExport(
                record: ClusterRecord(try options.store()), registry: registry, secrets: secrets, version: Version.text
            ).write(file, functions: names)
            ArchiveOutput.report(file, archive, secrets.keys.sorted(), printer)
        } catch {
            throw ClientError(archive: error)
        }
    }

    /// Brings functions `names` of the file, or all, into the cluster.
    func read(
        _ options: ClusterImportOptions, _ names: [FunctionName], _ printer: Printer
    ) async throws(ClientError) {
        do {
            let http = try HTTPClient()
            let deployer = try options.access(http)
            let registry = try options.registry.client(http)
            let blobs = "\(FileManager.default.temporaryDirectory.path)/kiln-import-\(RequestToken.make(bytes: 8))"
            defer { try? FileManager.default.removeItem(atPath: blobs) }
            let source = try ArchiveImport(file, blobs: blobs)
            let functions = try source.functions(names)
            if let name = try await deployer.taken(functions.map(\.name)) { throw ArchiveInput.taken(name) }
            // Before the functions that want them start.
            let kept = try await store(source.secrets, try ClusterSecrets(options.cluster))
            try await source.run(functions, registry: registry) { try await deployer.adopt($0) }
            ArchiveInput.report(file, functions, secrets: source.secrets.keys.sorted(), kept: kept, printer)
        } catch {
            throw ClientError(archive: error)
        }
    }

    /// Stores the secrets that are not there yet; returns the names of those that are.
    private func store(_ secrets: [String: [UInt8]], _ keeper: ClusterSecrets) async throws -> [String] {
        guard !secrets.isEmpty else { return [] }
        let known = Set(try await keeper.names())
        for (name, value) in secrets.sorted(by: { $0.key < $1.key })
        where EnvironmentName.problem(with: name) == nil && !known.contains(name) {
            try await keeper.set(name, value)
        }
        return secrets.keys.filter(known.contains).sorted()
    }
}
