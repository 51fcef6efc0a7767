import ArgumentParser
import Client
import Contract
import Deployer
import FoundationEssentials
import Glibc

/// What `kiln import` and `kiln restore` have in common.
struct ArchiveInput {
    let state: StateOptions
    let file: String

    /// What the platform must be like.
    enum Demand: Sendable {
        /// Nothing may be there yet, and everything is taken.
        case empty
        /// Functions of the same names must not be there.
        case merge([FunctionName])
    }

    /// Brings in what is in the archive and says what that was.
    func read(_ printer: Printer, _ demand: Demand) async throws(ClientError) {
        do {
            let directory = try state.directory()
            try directory.create()
            let blobs = "\(directory.path)/import-\(RequestToken.make(bytes: 4))"
            defer { try? FileManager.default.removeItem(atPath: blobs) }
            let source = try ArchiveImport(file, blobs: blobs)
            let functions = try source.functions(demand.names)
            let kept = try await PlatformAccess.with(directory) { platform in
                try await bring(functions, from: source, into: platform, demand)
            }
            Self.report(file, functions, secrets: source.secrets.keys.sorted(), kept: kept, printer)
        } catch {
            throw ClientError(archive: error)
        }
    }

    private func bring(
        _ functions: [FunctionSnapshot], from source: ArchiveImport, into platform: PlatformAccess, _ demand: Demand
    ) async throws -> [String] {
        var store: SQLiteStore?
        switch (platform.condition, demand) {
        case (.running, .empty):
            throw StartError(
                "A platform runs in \(platform.state.path). 'kiln restore' needs an empty state directory; 'kiln import' adds to a platform."
            )
        case (.stopped, _): store = try SQLiteStore(path: platform.state.database)
        case (.running, .merge): break
        }
        if let store {
            let taken = Set(try await store.names())
            if case .empty = demand, !taken.isEmpty {
                throw StartError(
                    "There are \(taken.count) functions in \(platform.state.path). 'kiln restore' needs an empty state directory; "
                        + "'kiln import' adds to a platform.")
            }
            if let name = functions.map(\.name).first(where: taken.contains) { throw Self.taken(name) }
        } else if let name = try await platform.deployer().taken(functions.map(\.name)) {
            throw Self.taken(name)
        }
        if demand.names.isEmpty, let store { try await store.reserve(source.archive.numbers) }
        // Before the functions that want them start.
        let kept = try storeSecrets(source.secrets, in: platform.state)
        // Nothing is signed by another yet: the platform is empty.
        if case .empty = demand, let key = source.signingKey {
            try DurableFile.write(key, to: platform.state.signingKey)
        }
        try await source.run(functions, registry: platform.registry) { [store] function in
            try await platform.adopt(function, store: store)
        }
        return kept
    }

    static func taken(_ name: FunctionName) -> StartError {
        StartError(
            "There is a function '\(name)' already, so nothing was changed. Delete it before the import, or import others with --function."
        )
    }

    /// Stores the secrets that are not there yet; returns the names of those that are.
    private func storeSecrets(_ secrets: [String: [UInt8]], in directory: StateDirectory) throws -> [String] {
        var kept: [String] = []
        for (name, value) in secrets.sorted(by: { $0.key < $1.key }) where EnvironmentName.problem(with: name) == nil {
            let path = directory.secrets + "/" + name
            if access(path, F_OK) == 0 { kept.append(name) } else { try DurableFile.write(value, to: path) }
        }
        return kept
    }

    static func report(
        _ file: String, _ functions: [FunctionSnapshot], secrets: [String], kept: [String], _ printer: Printer
    ) {
        let revisions = functions.reduce(0) { $0 + $1.revisions.count }
        if printer.isJSON {
            printer.document(
                .object([
                    "file": .string(file), "functions": .array(functions.map { .string($0.name.value) }),
                    "revisions": .integer(Int64(revisions)), "secrets": .array(secrets.map { .string($0) }),
                    "secretsKept": .array(kept.map { .string($0) }),
                ]))
            return
        }
        printer.line(
            "Read \(file): \(functions.count) functions with \(revisions) revisions, \(secrets.count) secrets.")
        if !kept.isEmpty {
            printer.warn("These secrets were there already and stay as they are: \(kept.joined(separator: ", ")).")
        }
    }
}

extension ArchiveInput.Demand {
    /// The functions that are wanted; none means all.
    var names: [FunctionName] { if case .merge(let names) = self { names } else { [] } }
}

/// `kiln import`.
struct ImportCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Add the functions of an exported file to a platform, running or stopped.",
        discussion: """
            The file is verified before anything is changed. Functions of names that are taken are refused. Run this on the platform's \
            machine, as its user; or, with --kubernetes, anywhere from where the cluster's Deployer and registry can be reached.
            """)

    @Argument(help: "The file that 'kiln export' or 'kiln backup' wrote.", completion: .file())
    var file: String

    @Option(
        name: .customLong("function"),
        help: ArgumentHelp("A function to import (default: all); may be repeated.", valueName: "name"))
    var functions: [String] = []

    @OptionGroup(title: "Installation") var state: StateOptions
    @OptionGroup(title: "Cluster") var cluster: ClusterImportOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        var names: [FunctionName] = []
        for name in functions { names.append(try FunctionNaming.name(name)) }
        if cluster.cluster.isWanted { return try await ClusterArchive(file: file).read(cluster, names, printer) }
        try await ArchiveInput(state: state, file: file).read(printer, .merge(names))
    }
}

/// `kiln restore`.
struct RestoreCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a platform of a backup, in an empty state directory.",
        discussion:
            "The file is verified before anything is changed. 'kiln up' with the same --state-dir then starts it.")

    @Argument(help: "The file that 'kiln backup' wrote.", completion: .file())
    var file: String

    @OptionGroup(title: "Installation") var state: StateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        try await ArchiveInput(state: state, file: file).read(printer, .empty)
    }
}
