import ArgumentParser
import Client
import Contract
import Deployer
import Transfer

/// `kiln gc`.
struct CollectCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Remove old revisions, and what no revision needs any more.",
        discussion: """
            What is live, pinned, or what a rollback would go to is never removed. The platform does this by itself once a day.
            """)

    @Flag(help: "Remove nothing; say what would go.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "Revisions of each function to keep (default: the platform's --keep-revisions).", valueName: "number"))
    var keep: Int?

    @Option(
        help: ArgumentHelp(
            "Keep revisions younger than this (default: the platform's --keep-revisions-for).", valueName: "duration"))
    var keepFor: String?

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        var query: [(String, String)] = []
        if dryRun { query.append(("dry-run", "true")) }
        if let keep { query.append(("keep", String(keep))) }
        if let keepFor { query.append(("keep-for", keepFor)) }
        let document = try await platform.client().call(.post, ["gc"], query: query, idle: .seconds(3600)).document
        if printer.isJSON {
            printer.document(document)
            return
        }
        let report = try document.answer(CollectionReport.self)
        if !report.revisions.isEmpty { printer.table(Self.revisions(report, printer.output)) }
        printer.table(Self.sums(report))
        if !report.skipped.isEmpty {
            printer.note(
                "Left alone, because they are being deployed: \(report.skipped.map(\.value).joined(separator: ", ")).")
        }
        for note in report.notes { printer.warn(note) }
        printer.note(
            report.isEmpty
                ? "There is no garbage."
                : "\(dryRun ? "Would free" : "Freed") \(Amounts.bytes(Int64(report.bytes)))"
                    + (dryRun
                        ? "; nothing was changed." : " in \(Amounts.duration(milliseconds: report.milliseconds))."))
    }

    private static func revisions(_ report: CollectionReport, _ terminal: Terminal) -> Table {
        var table = Table([
            .init("FUNCTION", shortest: 12), .init("REVISION", isNumeric: true), .init("STATE"), .init("CREATED"),
        ])
        let now = Timestamp.now()
        for item in report.revisions {
            table.add([
                .init(item.name.value), .init(String(item.revision)), .init(item.state.rawValue),
                .init(terminal.isTerminal ? Amounts.age(item.created, now: now) : item.created.description),
            ])
        }
        return table
    }

    private static func sums(_ report: CollectionReport) -> Table {
        var table = Table([.init("GARBAGE"), .init("COUNT", isNumeric: true), .init("BYTES", isNumeric: true)])
        for (name, tally) in [
            ("images", report.images), ("layers", report.layers), ("blobs", report.blobs), ("logs", report.logs),
            ("leftovers", report.leftovers), ("all", CollectionReport.Tally(count: report.count, bytes: report.bytes)),
        ] {
            table.add([.init(name), .init(String(tally.count)), .init(String(tally.bytes))])
        }
        return table
    }
}
