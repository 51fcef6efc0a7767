import ArgumentParser
import Client
import Contract
import Transfer

/// `kiln revisions`.
struct RevisionsCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "revisions", abstract: "List a function's revisions, newest first.")

    @Argument(help: "The function.", completion: FunctionArgument.completion)
    var name: FunctionArgument

    @Flag(help: "List what was live when, instead.")
    var history = false

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let document = try await platform.client().call(.get, ["func", try name.name().value, "revisions"]).document
        if printer.isJSON {
            printer.document(document)
            return
        }
        let terminal = printer.output
        let now = Timestamp.now()
        func moment(_ time: Timestamp?) -> String {
            time.map { terminal.isTerminal ? Amounts.age($0, now: now) : $0.description } ?? "-"
        }
        guard !history else {
            let entries = try (document["history"] ?? .array([])).answer([HistoryAnswer].self)
            // Nobody has to know of shares as long as there were none.
            let isDivided = entries.contains { $0.traffic != nil || $0.reason != nil }
            let columns: [Table.Column] = [
                .init("REVISION", isNumeric: true), .init("LIVE SINCE"), .init("BY"), .init("TRAFFIC", shortest: 10),
            ]
            var table = Table(isDivided ? columns : Array(columns.prefix(3)))
            for entry in entries {
                var cells: [Table.Cell] = [
                    .init(String(entry.revision)), .init(moment(entry.at)), .init(entry.cause),
                ]
                if isDivided { cells.append(.init(entry.traffic.map(TrafficText.list) ?? entry.reason ?? "")) }
                table.add(cells)
            }
            printer.table(table)
            return
        }
        var table = Table([
            .init("REVISION", isNumeric: true), .init("STATE"), .init("CREATED"), .init("DIGEST"),
            .init("REMARK", shortest: 10),
        ])
        for revision in try (document["revisions"] ?? .array([])).answer([RevisionAnswer].self) {
            let digest = revision.image?.split(separator: "@").last.map { String($0.prefix(19)) } ?? "-"
            table.add([
                .init(String(revision.revision)), Self.state(revision), .init(moment(revision.created)),
                .init(digest, .dim),
                .init(Self.remark(revision)),
            ])
        }
        printer.table(table)
    }

    private static func remark(_ revision: RevisionAnswer) -> String {
        if let failure = revision.failure { return failure }
        let share = revision.percent.map { "\($0) % of the traffic" }
        return [share, revision.pinned == true ? "pinned" : nil].compactMap(\.self).joined(separator: ", ")
    }

    private static func state(_ revision: RevisionAnswer) -> Table.Cell {
        if revision.live == true { return .init("live", .green) }
        return revision.state == "failed" ? .init("failed", .red) : .init(revision.state ?? "-")
    }
}

/// `kiln rollback`.
struct RollbackCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Make an earlier revision live again, without building anything.",
        discussion: "Without a revision it is the one that was live before.")

    @Argument(help: "The function.", completion: FunctionArgument.completion)
    var name: FunctionArgument

    @Option(help: ArgumentHelp("The revision to go back (or forward) to.", valueName: "revision"))
    var to: Int?

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let name = try name.name()
        let before = try await client.call(.get, ["func", name.value]).document["revision"]?.integer
        let query = to.map { [(name: "to", value: String($0))] } ?? []
        let started = ContinuousClock.now
        let reply = try await Progress.show("Rolling \(name) back …", on: printer) { () async throws(ClientError) in
            try await client.call(.post, ["func", name.value, "rollback"], query: query, idle: .seconds(900))
        }
        if printer.isJSON {
            printer.document(reply.document)
            return
        }
        let answer = try reply.document.answer(DeployedAnswer.self)
        let now = answer.revision.map { String($0) } ?? "?"
        let url = answer.url.map { client.absolute($0) } ?? ""
        if answer.unchanged == true {
            printer.line("\(name): revision \(now) is live already at \(url)")
        } else if answer.superseded == true {
            printer.line("\(name): a later deploy went live before the rollback to revision \(now).")
        } else if before == answer.revision {
            printer.line("\(name): all traffic back to revision \(now) at \(url)")
        } else {
            printer.line(
                "\(name): rolled back from revision \(before.map { String($0) } ?? "none") to \(now), live at \(url)")
        }
        printer.note(Deploy.timings(answer.timings ?? [:], took: started.duration(to: .now)))
    }
}

/// `kiln pin`.
struct PinCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Let a revision answer under its number, beside the live one.")

    @OptionGroup var target: RevisionArguments
    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let id = try target.id()
        _ = try await Progress.show("Starting \(id) …", on: printer) { () async throws(ClientError) in
            try await client.call(
                .post, ["func", id.function.value, "pin"], query: [("revision", String(id.number))], idle: .seconds(900)
            )
        }
        let url = client.absolute("/fn/\(id)")
        if printer.isJSON {
            printer.document(
                .object([
                    "name": .string(id.function.value), "pinned": .bool(true), "revision": .integer(Int64(id.number)),
                    "url": .string(url),
                ]))
        } else {
            printer.line("\(id) is pinned and answers at \(url)")
        }
    }
}

/// `kiln unpin`.
struct UnpinCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin", abstract: "Let a pinned revision answer no longer.")

    @OptionGroup var target: RevisionArguments
    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let id = try target.id()
        _ = try await client.call(
            .delete, ["func", id.function.value, "pin"], query: [("revision", String(id.number))])
        if printer.isJSON {
            printer.document(
                .object([
                    "name": .string(id.function.value), "pinned": .bool(false), "revision": .integer(Int64(id.number)),
                ]))
        } else {
            printer.line("\(id) is no longer pinned.")
        }
    }
}
