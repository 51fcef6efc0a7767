import ArgumentParser
import Builder
import Client
import Contract

/// `kiln run`.
struct RunCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a function here, without a platform, and start it again whenever its source changes.",
        discussion: """
            The source is checked and started as the platform does it, by the deno of this machine: the same handler forms, Deno flags and \
            errors. What a container adds, its network, limits and file system, is not here.
            """)

    @Argument(help: "A TypeScript or JavaScript file, or a directory.", completion: .file())
    var source: String

    @Option(
        help: ArgumentHelp(
            "The module of a directory that handles requests (default: main.ts, index.ts, mod.ts or server.ts).",
            valueName: "file"))
    var entry: String?

    @Option(
        help: ArgumentHelp(
            "Where to listen (default: 127.0.0.1:8000); port 0 takes a free one.", valueName: "host:port"))
    var listen: ListenOption?

    @OptionGroup var environment: EnvironmentOptions

    @Option(
        help: ArgumentHelp("A secret of this machine's platform; may be repeated ('kiln secret').", valueName: "name"))
    var secret: [String] = []

    @Flag(inversion: .prefixedNo, help: "Whether to start again when the source changes.")
    var reload = true

    @Flag(inversion: .prefixedNo, help: "Whether types are checked, while the function runs already.")
    var check = true

    @Option(
        help: ArgumentHelp("The deno program (default: KILN_DENO, else the one in PATH).", valueName: "path"),
        completion: .file())
    var deno: String?

    @OptionGroup(title: "Installation, for --secret") var state: StateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let origin = try SourceUpload.Origin(self.source)
        guard origin != .standardInput else {
            throw ClientError(.usage, "'kiln run' takes a file or a directory: standard input has no later.")
        }
        let source = LocalSource(origin: origin, entry: entry)
        // What is no source now ends the command; what is none any more later on does not.
        _ = try await source.read()
        var variables = Dictionary(try environment.variables().map { ($0.name, $0.value) }) { $1 }
        for name in secret { variables[name] = try secretValue(name) }
        let address = try freeAddress()
        LocalDeno.removeLeftovers()
        let deno = try LocalDeno(program: LocalDeno.find(self.deno ?? Setting.optional("DENO")))
        defer { deno.remove() }
        let session = LocalSession(
            source: source, checker: try LocalChecker(deno),
            function: LocalFunction(deno: deno, address: address, variables: variables, printer: printer),
            printer: printer, reloads: reload, checksTypes: check)
        try await Interruption.ends { () async throws(ClientError) in try await session.run() }
    }

    private func secretValue(_ name: String) throws(ClientError) -> String {
        let files = SecretFiles(directory: try state.found().secrets)
        let value: String?
        do {
            value = try files.value(name)
        } catch {
            throw ClientError(.failed, "The secret \(name) cannot be used: \(error).")
        }
        guard let value else {
            throw ClientError(
                .notFound,
                "There is no secret '\(name)' here, or it cannot be read. 'kiln secret set \(name)' stores one.")
        }
        return value
    }

    private func freeAddress() throws(ClientError) -> ListenOption {
        do {
            var address = listen ?? ListenOption(host: "127.0.0.1", port: 8000)
            if address.port == 0 {
                address.port = try FrontDoor.freePort()
            } else {
                try FrontDoor.requireFree(address, flag: "--listen")
            }
            return address
        } catch {
            throw ClientError(.failed, "\(error)")
        }
    }
}
