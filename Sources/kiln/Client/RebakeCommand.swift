import ArgumentParser
import Client
import Contract
import Transfer

/// `kiln rebake`.
struct RebakeCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebake", abstract: "Make what is live again on the current base image, without a source.",
        discussion: """
            Source, configuration and the versions of imports are those of the live revision. What stands on the current base image already stays as \
            it is.
            """)

    @Argument(help: "The function.", completion: FunctionArgument.completion)
    var name: FunctionArgument?

    @Flag(help: "Rebake all functions that stand on an older base image, one after the other.")
    var all = false

    @Flag(help: "Check, and tell the image's digest, but change nothing.")
    var dryRun = false

    @Flag(inversion: .prefixedNo, help: "Whether types are checked (default: yes).")
    var check: Bool?

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (name == nil) == all else { throw ValidationError("Name a function, or say --all.") }
    }

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        guard let name else { return try await rebakeAll(client, printer) }
        try await rebake(try name.name().value, client, printer)
    }

    private func rebakeAll(_ client: PlatformClient, _ printer: Printer) async throws(ClientError) {
        let functions = try (try await client.functions()["functions"] ?? .array([])).answer([FunctionAnswer].self)
        let old = functions.filter { $0.outdated == true }
        if old.isEmpty, !printer.isJSON { printer.line("No function stands on an older base image.") }
        var failure: ClientError?
        for function in old {
            do throws(ClientError) {
                try await rebake(function.name, client, printer)
            } catch {
                // The others do not have to wait for the one.
                printer.fail(ClientError(error.status, "\(function.name): \(error.message)"))
                if error.status == .unreachable || error.status == .denied { throw ClientError(exit: error.status) }
                failure = error
            }
        }
        if let failure { throw ClientError(exit: failure.status) }
    }

    private func rebake(_ name: String, _ client: PlatformClient, _ printer: Printer) async throws(ClientError) {
        var query: [(name: String, value: String)] = []
        if dryRun { query.append(("dry-run", "true")) }
        if let check { query.append(("check", check ? "true" : "false")) }
        let started = ContinuousClock.now
        let reply = try await Progress.show("Rebaking \(name) …", on: printer) { [query] () async throws(ClientError) in
            try await client.call(.post, ["func", name, "rebake"], query: query, idle: .seconds(900))
        }
        if printer.isJSON {
            printer.document(reply.document)
            return
        }
        let answer = try reply.document.answer(DeployedAnswer.self)
        printer.line(Deploy.sentence(answer, client))
        for warning in reply.document["warnings"]?.array ?? [] {
            if let text = warning.string { printer.warn(text) }
        }
        printer.note(Deploy.timings(answer.timings ?? [:], took: started.duration(to: .now)))
    }
}
