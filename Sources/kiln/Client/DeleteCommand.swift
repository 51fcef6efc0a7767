import ArgumentParser
import Client
import Contract
import Glibc
import Transfer

/// `kiln delete`.
struct DeleteCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove a function with its revisions and history.", aliases: ["rm"])

    @Argument(help: "The function.", completion: FunctionArgument.completion)
    var name: FunctionArgument

    @Flag(name: .shortAndLong, help: "Do not ask. Only a terminal is asked.")
    var yes = false

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let name = try name.name()
        if !yes, isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 {
            let document = try await client.call(.get, ["func", name.value]).document
            let live = document["revision"]?.integer.map { ", revision \($0) is live" } ?? ""
            guard Question.isAgreedTo("Delete '\(name)' with all of its revisions\(live)? [y/N] ") else {
                throw ClientError(.failed, "Nothing was deleted.")
            }
        }
        _ = try await Progress.show("Deleting \(name) …", on: printer) { () async throws(ClientError) in
            try await client.call(.delete, ["func", name.value], idle: .seconds(900))
        }
        if printer.isJSON {
            printer.document(.object(["deleted": .bool(true), "name": .string(name.value)]))
        } else {
            printer.line("\(name) is deleted.")
        }
    }
}

/// Asks the person at the terminal.
enum Question {
    /// Whether the answer to `text` is yes.
    static func isAgreedTo(_ text: String) -> Bool {
        StandardStream.error.write(text)
        let answer = (readLine() ?? "").lowercased()
        return answer == "y" || answer == "yes"
    }

    /// A line that is not shown while it is typed; `nil` at the end of input.
    static func hiddenLine(_ text: String) -> String? {
        var settings = termios()
        guard tcgetattr(STDIN_FILENO, &settings) == 0 else { return readLine() }
        let former = settings
        settings.c_lflag &= ~tcflag_t(ECHO)
        // Before the question: whoever answers at once must neither be seen nor lost.
        tcsetattr(STDIN_FILENO, TCSANOW, &settings)
        defer {
            var former = former
            tcsetattr(STDIN_FILENO, TCSANOW, &former)
            StandardStream.error.write("\n")
        }
        StandardStream.error.write(text)
        return readLine()
    }
}
