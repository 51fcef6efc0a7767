import ArgumentParser
import Client
import Contract

/// `kiln logs`.
struct LogsCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Print what a function's instances printed, also of those that have ended.")

    @Argument(help: "The function.", completion: FunctionArgument.completion)
    var name: FunctionArgument

    @Flag(
        name: .shortAndLong,
        help: "Go on with new lines, over restarts of instances and of the platform, until Ctrl-C.")
    var follow = false

    @Option(
        help: ArgumentHelp(
            "Only lines since then: how long ago (90s, 10m, 1h30m, 2d) or a moment (2026-01-31T12:00:00Z).",
            valueName: "time"))
    var since: String?

    @Option(
        name: [.long, .customShort("n")],
        help: ArgumentHelp("At most so many of the last lines there are.", valueName: "lines"))
    var tail: Int?

    @Option(help: ArgumentHelp("Only instances of this revision.", valueName: "number"))
    var revision: Int?

    @Option(help: ArgumentHelp("Only stdout or stderr.", valueName: "stream"))
    var stream: String?

    @Flag(help: "Only instances that have ended: what a crashed one printed last.")
    var previous = false

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        var moment: Timestamp?
        if let since { moment = try LogSince.moment(since, now: .now()) }
        var options: [(name: String, value: String)] = []
        if let revision { options.append(("revision", String(revision))) }
        if let stream { options.append(("stream", stream)) }
        if previous { options.append(("previous", "true")) }
        let query = LogQuery(name: try name.name(), since: moment, tail: tail, options: options)
        let stream = LogStream(try platform.client())
        guard follow else {
            let lines = LogPrinter(printer)
            try await stream.read(query) { text, line in lines.show(text, line) }
            return
        }
        try await Interruption.ends { () async throws(ClientError) in
            let lines = LogPrinter(printer)
            try await stream.follow(query) { error in
                printer.note("\(error.message) Trying again until Ctrl-C.")
            } _: { text, line in
                lines.show(text, line)
            }
        }
    }
}

/// Prints log lines one after the other.
private final class LogPrinter {
    private let isJSON: Bool
    private var text: LogText

    init(_ printer: Printer) {
        isJSON = printer.isJSON
        text = LogText(terminal: printer.output)
    }

    func show(_ document: String, _ line: LogLine) {
        StandardStream.output.write(isJSON ? document + "\n" : text.line(line))
    }
}
