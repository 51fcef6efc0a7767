import ArgumentParser
import Client
import Contract
import Deployer
import FoundationEssentials
import Glibc
import OCI

/// What `kiln export` and `kiln backup` have in common.
struct ArchiveOutput {
    let state: StateOptions
    let file: String

    /// Writes the archive and says what is in it.
    func write(
        _ printer: Printer, functions names: [FunctionName], secrets withSecrets: Bool, key withKey: Bool = false
    ) async throws(ClientError) {
        do {
            let directory = try state.directory()
            guard FileManager.default.fileExists(atPath: directory.database) else {
                throw StartError("There is no platform in \(directory.path). Name its directory with --state-dir.")
            }
            try Self.check(file)
            let secrets = withSecrets ? Self.secrets(in: directory) : [:]
            let archive = try await PlatformAccess.with(directory) { platform in
                var export = ArchiveExport(
                    record: DatabaseRecord(path: directory.database), registry: platform.registry, secrets: secrets,
                    version: Version.text)
                if withKey {
                    export.signingKey = FileManager.default.contents(atPath: directory.signingKey).map { Array($0) }
                }
                return try await export.write(file, functions: names)
            }
            Self.report(file, archive, secrets.keys.sorted(), printer)
        } catch {
            throw ClientError(archive: error)
        }
    }

    /// Throws when there is something in the place of the file.
    static func check(_ file: String) throws {
        guard access(file, F_OK) != 0 else {
            throw StartError("\(file) exists. Choose another name, or remove it.")
        }
    }

    static func report(_ file: String, _ archive: StateArchive, _ secrets: [String], _ printer: Printer) {
        var status = stat()
        let size = stat(file, &status) == 0 ? Int(status.st_size) : 0
        let revisions = archive.functions.reduce(0) { $0 + $1.revisions.count }
        if printer.isJSON {
            printer.document(
                .object([
                    "file": .string(file), "bytes": .integer(Int64(size)),
                    "functions": .array(archive.functions.map { .string($0.name.value) }),
                    "revisions": .integer(Int64(revisions)), "secrets": .array(secrets.map { .string($0) }),
                ]))
            return
        }
        printer.line(
            "Wrote \(file): \(archive.functions.count) functions with \(revisions) revisions, \(secrets.count) secrets, "
                + "\(Amounts.bytes(Int64(size))).")
        if !secrets.isEmpty {
            printer.warn("\(file) holds secrets in plain text. It is readable by you only: keep it so.")
        }
    }

    private static func secrets(in directory: StateDirectory) -> [String: [UInt8]] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.secrets)) ?? []
        var secrets: [String: [UInt8]] = [:]
        for name in names where EnvironmentName.problem(with: name) == nil {
            secrets[name] = FileManager.default.contents(atPath: directory.secrets + "/" + name).map { Array($0) }
        }
        return secrets
    }
}

/// `kiln export`.
struct ExportCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write functions with all their revisions and images into a file.",
        discussion:
            "For 'kiln import' elsewhere. The platform may run meanwhile. Run this on its machine, as its user; or, with --kubernetes, anywhere from where the cluster and its registry can be reached."
    )

    @Argument(help: "The file to write; it must not exist.", completion: .file())
    var file: String

    @Option(
        name: .customLong("function"),
        help: ArgumentHelp("A function to export (default: all); may be repeated.", valueName: "name"))
    var functions: [String] = []

    @Flag(help: "Put the secrets into the file, too, in plain text.")
    var withSecrets = false

    @OptionGroup(title: "Installation") var state: StateOptions
    @OptionGroup(title: "Cluster") var cluster: ClusterExportOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        var names: [FunctionName] = []
        for name in functions { names.append(try FunctionNaming.name(name)) }
        if cluster.cluster.isWanted {
            return try await ClusterArchive(file: file).write(cluster, names, secrets: withSecrets, printer)
        }
        try await ArchiveOutput(state: state, file: file).write(printer, functions: names, secrets: withSecrets)
    }
}

/// `kiln backup`.
struct BackupCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Write everything the platform keeps into a file, secrets included.",
        discussion: """
            All functions with their revisions, images and history, and the secrets in plain text: the file is readable by you only. \
            For 'kiln restore'. The platform may run meanwhile. Run this on its machine, as its user.
            """)

    @Argument(help: "The file to write; it must not exist.", completion: .file())
    var file: String

    @OptionGroup(title: "Installation") var state: StateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        try await ArchiveOutput(state: state, file: file).write(
            printer, functions: [], secrets: true, key: true)
    }
}

extension ClientError {
    /// Why an archive could not be written or read.
    init(archive error: any Error) {
        switch error {
        case let error as ClientError: self = error
        case let error as DeployerError: self.init(.failed, error.description)
        case let error as OCIError: self.init(.failed, error.description)
        case let problem as Problem: self.init(problem)
        default: self.init(.failed, "\(error)")
        }
    }
}
