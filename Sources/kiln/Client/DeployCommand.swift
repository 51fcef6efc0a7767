import ArgumentParser
import Client
import Contract
import Transfer

/// `kiln deploy`.
struct DeployCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy", abstract: "Put a function online: a file, a directory, or standard input.",
        discussion: """
            The function is named after the file (hello.ts is 'hello') or the directory; a file called main, index or mod after the \
            directory it is in. Of a directory everything is sent but hidden files, node_modules and what its .kilnignore names.
            """)

    @Argument(help: "A TypeScript or JavaScript file, a directory, or - for standard input.", completion: .file())
    var source: String

    @Option(help: ArgumentHelp("The function's name.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "The module of a directory that handles requests (default: main.ts, index.ts, mod.ts or server.ts).",
            valueName: "file"
        ))
    var entry: String?

    @Flag(help: "Deploy again whenever the source changes, until Ctrl-C.")
    var watch = false

    @Flag(help: "Check, and tell the image's digest, but change nothing.")
    var dryRun = false

    @Flag(
        name: [.customLong("update"), .customLong("reload")], help: "Choose the versions of imported packages anew.")
    var update = false

    @Flag(inversion: .prefixedNo, help: "Whether to wait until the new revision serves (default: --wait).")
    var wait: Bool?

    @Option(
        help: ArgumentHelp(
            "Of 100 requests so many are for the new revision, the others for the live one ('kiln traffic').",
            valueName: "percent"))
    var traffic: String?

    @Option(
        help: ArgumentHelp(
            "With --traffic: what keeps a client on its revision, cookie or header:NAME.", valueName: "what"))
    var sticky: String?

    @Option(
        help: ArgumentHelp(
            "With --traffic: back to the live revision when more of the requests to the new one fail.",
            valueName: "percent"))
    var stepBack: String?

    @Option(
        help: ArgumentHelp(
            "How many requests are looked at together for --step-back (default: \(StepBack.defaultRequests)).",
            valueName: "number"))
    var stepBackRequests: String?

    @Flag(help: "In a cluster: take over what somebody else has set of the function's object.")
    var force = false

    @Flag(inversion: .prefixedNo, help: "Whether types are checked (default: --check).")
    var check: Bool?

    @OptionGroup(title: "Configuration of the function") var options: DeployOptions
    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let origin = try SourceUpload.Origin(source)
        let name = if let name { try FunctionNaming.name(name) } else { try origin.functionName() }
        var query = try options.query()
        if dryRun { query.append(("dry-run", "true")) }
        if update { query.append(("update", "true")) }
        if force { query.append(("force", "true")) }
        let division = [
            ("traffic", traffic), ("sticky", sticky), ("step-back", stepBack), ("step-back-requests", stepBackRequests),
        ]
        for case (let name, let value?) in division { query.append((name, value)) }
        if let wait { query.append(("wait", wait ? "true" : "false")) }
        if let check { query.append(("check", check ? "true" : "false")) }
        let deploy = Deploy(client: try platform.client(), name: name, query: query, printer: printer)
        if watch {
            try await follow(deploy, origin)
        } else {
            try await once(deploy, origin)
        }
    }

    /// One deploy; what fails is printed with the source's lines.
    private func once(_ deploy: Deploy, _ origin: SourceUpload.Origin) async throws(ClientError) {
        let upload = try SourceUpload(origin, entry: entry)
        do throws(ClientError) {
            try await deploy.send(upload)
        } catch {
            deploy.printer.fail(error, showing: upload.excerpts)
            throw ClientError(exit: error.status)
        }
    }

    private func follow(_ deploy: Deploy, _ origin: SourceUpload.Origin) async throws(ClientError) {
        let watch = try SourceWatch(origin)
        let printer = deploy.printer
        try await Interruption.ends { () async throws(ClientError) in
            var last: [UInt8]?
            func again() async {
                do throws(ClientError) {
                    let upload = try SourceUpload(origin, entry: entry)
                    guard upload.body != last else { return }
                    last = upload.body
                    do throws(ClientError) {
                        try await deploy.send(upload)
                    } catch {
                        guard !Task.isCancelled else { return }
                        // What could not be sent is sent again with the next change, even to the same text.
                        if error.status == .unreachable { last = nil }
                        printer.fail(error, showing: upload.excerpts)
                    }
                } catch {
                    printer.fail(error)
                }
            }
            let changes = watch.changes()
            await again()
            printer.note("Watching \(origin.description); Ctrl-C ends.")
            for await _ in changes where !Task.isCancelled { await again() }
        }
    }
}

/// One function's way to the platform.
struct Deploy: Sendable {
    let client: PlatformClient
    let name: FunctionName
    let query: [(name: String, value: String)]
    let printer: Printer

    /// Sends `upload` and prints what came of it.
    func send(_ upload: SourceUpload) async throws(ClientError) {
        if !upload.skipped.isEmpty {
            printer.note("Left out, being neither files nor directories: \(upload.skipped.joined(separator: ", ")).")
        }
        var query = [(name: "name", value: name.value)] + query
        if let entry = upload.entry { query.append(("entry", entry)) }
        let started = ContinuousClock.now
        let reply = try await Progress.show("Deploying \(name) …", on: printer) {
            [query] () async throws(ClientError) in
            // A deploy answers when the instances are up: the platform bounds that.
            try await client.call(
                .post, ["func"], query: query, headers: ["Content-Type": upload.mediaType], body: .bytes(upload.body),
                idle: .seconds(900))
        }
        if printer.isJSON {
            printer.document(reply.document)
            return
        }
        let answer = try reply.document.answer(DeployedAnswer.self)
        printer.line(Self.sentence(answer, client))
        if let line = Self.dependencies(reply.document["dependencies"]?.array?.compactMap(\.string) ?? []) {
            printer.line(line)
        }
        for warning in reply.document["warnings"]?.array ?? [] {
            if let text = warning.string ?? warning["message"]?.string { printer.warn(text) }
        }
        printer.note(Self.timings(answer.timings ?? [:], took: started.duration(to: .now)))
    }

    /// What is baked with a function: the first names, and how many more there are.
    static func dependencies(_ names: [String]) -> String? {
        guard !names.isEmpty else { return nil }
        let more = names.count > 3 ? " and \(names.count - 3) more" : ""
        return "with \(names.prefix(3).joined(separator: ", "))\(more)"
    }

    /// Name, revision and URL of a deploy, in a sentence.
    static func sentence(_ answer: DeployedAnswer, _ client: PlatformClient) -> String {
        guard let revision = answer.revision else {
            return "\(answer.name): checks, handler form '\(answer.handler ?? "?")'; would be image "
                + "\(answer.digest ?? "?"). Nothing was changed."
        }
        let url = answer.url.map { client.absolute($0) } ?? client.absolute("/fn/\(answer.name)")
        if answer.superseded == true {
            return "\(answer.name): revision \(revision) is recorded, but a later deploy went live before it."
        }
        if answer.unchanged == true { return "\(answer.name): unchanged, revision \(revision) is live at \(url)" }
        if let share = answer.traffic?.first(where: { $0.revision == revision }) {
            return "\(answer.name): revision \(revision) gets \(share.percent) % of the traffic at \(url)"
        }
        return answer.serving == false
            ? "\(answer.name): revision \(revision) is recorded and starts; it will be live at \(url)"
            : "\(answer.name): revision \(revision) is live at \(url)"
    }

    /// `in 0.13 s (check 12 ms, push 15 ms, …)`, the longest phases first.
    static func timings(_ timings: [String: Double], took: Duration) -> String {
        let phases = timings.filter { $0.key != "build" && $0.key != "total" && $0.value >= 0.5 }
            .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\($0.key) \(Amounts.duration(milliseconds: $0.value))" }
        let list = phases.isEmpty ? "" : " (\(phases.joined(separator: ", ")))"
        return "in \(Amounts.duration(milliseconds: took / .milliseconds(1)))\(list)"
    }
}
