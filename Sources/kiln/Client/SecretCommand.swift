import ArgumentParser
import Client
import Contract
import FoundationEssentials
import Glibc

/// `kiln secret`: values that functions get by name and that appear in no URL, image, log or answer.
struct SecretCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Keep the secrets of functions.",
        discussion: """
            On one machine they are files in the state directory: run this there, as the platform's user. With --kubernetes they are in a \
            Secret of the cluster.
            """,
        subcommands: [Set.self, List.self, Remove.self])

    struct Set: ClientCommand {
        static let configuration = CommandConfiguration(
            abstract: "Store a secret; its value is read from standard input, or asked for on a terminal.",
            discussion: "Running instances get it when they next start.")

        @Argument(
            help: "The name, also of the environment variable that functions see.",
            completion: .custom(SecretStore.complete))
        var name: String

        @Option(
            help: ArgumentHelp("Most bytes of the value, as the platform has it (default: 64Ki).", valueName: "bytes"))
        var maxSecretBytes: String?

        @OptionGroup(title: "Installation") var installation: InstallationOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func perform(_ printer: Printer) async throws(ClientError) {
            let store = try installation.secrets()
            try SecretStore.check(name)
            let limit: Int
            do { limit = try SecretFiles.limit(maxSecretBytes) } catch { throw ClientError(.usage, "\(error)") }
            let value = try value(limit)
            guard value.count <= limit else {
                throw ClientError(
                    .usage, "A secret has at most \(limit) bytes (--max-secret-bytes). Nothing was stored.")
            }
            // Nothing to read is far more often a mistake of a script than a secret.
            guard !value.isEmpty else {
                throw ClientError(
                    .usage,
                    "The value is empty. Nothing was stored. Give it on standard input: printf %s VALUE | kiln secret set \(name)"
                )
            }
            guard !value.contains(0) else { throw ClientError(.usage, "A secret must not contain a NUL byte.") }
            let isNew = try await !store.names().contains(name)
            try await store.set(name, value)
            if printer.isJSON {
                printer.document(
                    .object([
                        "bytes": .integer(Int64(value.count)), "name": .string(name),
                        store.document.key: store.document.value,
                    ]))
            } else {
                let next =
                    isNew
                    ? "Deploys name it by --secret \(name)."
                    : "Instances that run keep the value before; a deploy with any change, such as --env ROTATED=1, starts new ones."
                printer.line(
                    "\(isNew ? "Stored" : "Replaced") \(name) (\(value.count) bytes) for \(store.place). \(next)")
            }
        }

        private func value(_ limit: Int) throws(ClientError) -> [UInt8] {
            guard isatty(STDIN_FILENO) == 1 else { return FileHandleInput.all(limit: limit + 2) }
            guard let line = Question.hiddenLine("Value of \(name): ") else {
                throw ClientError(.failed, "There was no value. Nothing was stored.")
            }
            return Array(line.utf8)
        }
    }

    struct List: ClientCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the names of the secrets, never their values.", aliases: ["ls"])

        @OptionGroup(title: "Installation") var installation: InstallationOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func perform(_ printer: Printer) async throws(ClientError) {
            let names = try await installation.secrets().names()
            if printer.isJSON {
                printer.document(.object(["secrets": .array(names.map { .object(["name": .string($0)]) })]))
                return
            }
            if names.isEmpty { printer.note("There is no secret yet. 'kiln secret set NAME' stores one.") }
            printer.lines(names)
        }
    }

    struct Remove: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Remove a secret.", discussion: "Running instances keep it until they end.")

        @Argument(help: "The name.", completion: .custom(SecretStore.complete))
        var name: String

        @OptionGroup(title: "Installation") var installation: InstallationOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func perform(_ printer: Printer) async throws(ClientError) {
            let store = try installation.secrets()
            try SecretStore.check(name)
            try await store.remove(name)
            if printer.isJSON {
                printer.document(.object(["name": .string(name), "removed": .bool(true)]))
            } else {
                printer.line("Removed \(name). Functions that name it cannot start new instances.")
            }
        }
    }
}

/// Where secrets are kept.
protocol SecretKeeper: Sendable {
    /// What it is, for messages.
    var place: String { get }
    /// The same for programs.
    var document: (key: String, value: JSONValue) { get }

    /// Keeps `value` as `name`, in the place of an earlier one.
    func set(_ name: String, _ value: [UInt8]) async throws(ClientError)
    /// The names there are, sorted.
    func names() async throws(ClientError) -> [String]
    /// Forgets `name`; throws when there is none.
    func remove(_ name: String) async throws(ClientError)
}

/// Whose secrets are meant.
struct InstallationOptions: ParsableArguments {
    @OptionGroup var state: StateOptions
    @OptionGroup var cluster: ClusterOptions

    func secrets() throws(ClientError) -> any SecretKeeper {
        if cluster.isWanted { try ClusterSecrets(cluster) } else { try SecretStore(state) }
    }
}

/// The secrets of an installation on this machine.
private struct SecretStore: SecretKeeper {
    let state: StateDirectory

    var place: String { state.path }
    var document: (key: String, value: JSONValue) { ("stateDir", .string(state.path)) }

    init(_ options: StateOptions) throws(ClientError) { state = try options.found() }

    static func check(_ name: String) throws(ClientError) {
        if let problem = EnvironmentName.problem(with: name) {
            throw ClientError(.usage, "'\(name)' cannot be a secret's name: \(problem).")
        }
    }

    /// Names for shell completion.
    static func complete(_ words: [String], _ index: Int, _ prefix: String) -> [String] {
        var options = StateOptions()
        if let index = words.firstIndex(of: "--state-dir"), index + 1 < words.count {
            options.stateDir = words[index + 1]
        }
        return ((try? SecretStore(options).found()) ?? []).filter { $0.hasPrefix(prefix) }
    }

    func set(_ name: String, _ value: [UInt8]) throws(ClientError) {
        do {
            try state.create()
            try DurableFile.write(value, to: state.secrets + "/" + name)
        } catch {
            throw ClientError(.failed, "\(error)")
        }
    }

    func names() async throws(ClientError) -> [String] { try found() }

    private func found() throws(ClientError) -> [String] {
        guard access(state.secrets, F_OK) == 0 || errno != ENOENT else { return [] }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: state.secrets) else {
            throw ClientError(
                .denied, "The secrets in \(state.secrets) cannot be read. Run this as the platform's user (root).")
        }
        return names.filter { EnvironmentName.problem(with: $0) == nil }.sorted()
    }

    func remove(_ name: String) throws(ClientError) {
        guard unlink(state.secrets + "/" + name) != 0 else { return }
        let reason = errno
        guard reason == ENOENT else {
            throw ClientError(.denied, "The secret '\(name)' cannot be removed: \(String(cString: strerror(reason))).")
        }
        throw ClientError(.notFound, "There is no secret '\(name)'. 'kiln secret list' prints what there is.")
    }
}

extension StateOptions {
    /// The state directory, for a command of the client.
    func found() throws(ClientError) -> StateDirectory {
        do {
            return try directory()
        } catch {
            throw ClientError(.usage, "\(error)")
        }
    }
}

/// Standard input, read whole.
enum FileHandleInput {
    static func all(limit: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < limit {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        if bytes.last == 10 { bytes.removeLast() }
        return bytes
    }
}
