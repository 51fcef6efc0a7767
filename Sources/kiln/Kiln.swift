import ArgumentParser
import Client
import Contract
import Foundation
import Glibc

/// The one executable: the client's commands, `up`, which runs the platform on one machine, and a subcommand per role.
@main
struct Kiln: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kiln",
        abstract: "A self-hosted function platform: deploy a TypeScript file, call it under its name.",
        discussion: """
            On one machine: 'kiln up' (as root) runs the platform, 'kiln init' writes a function, 'kiln deploy hello.ts' puts it \
            online. Commands find the platform at http://127.0.0.1:8080, or where --url or KILN_URL says.
            """,
        version: Version.text,
        groupedSubcommands: [
            CommandGroup(
                name: "Function",
                subcommands: [
                    InitCommand.self, RunCommand.self, DeployCommand.self, ListCommand.self, ShowCommand.self,
                    LogsCommand.self, OpenCommand.self, DeleteCommand.self,
                ]),
            CommandGroup(
                name: "Revision",
                subcommands: [
                    RevisionsCommand.self, RollbackCommand.self, RebakeCommand.self, VerifyCommand.self,
                    TrafficCommand.self, PinCommand.self,
                    UnpinCommand.self,
                ]),
            CommandGroup(
                name: "Platform",
                subcommands: [
                    UpCommand.self, StatusCommand.self, SecretCommand.self, KeyCommand.self, BaseCommand.self,
                    CollectCommand.self,
                    BackupCommand.self,
                    RestoreCommand.self, ExportCommand.self, ImportCommand.self,
                    ImageCommand.self, CompletionsCommand.self,
                ]),
            CommandGroup(
                name: "Role",
                subcommands: [BuilderCommand.self, DeployerCommand.self, RouterCommand.self]),
        ])

    /// Runs the command that the arguments name. A wrong command line ends with ``ExitStatus/usage``.
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        if let word = arguments.first, !word.hasPrefix("-"), word != "help", !commandNames.contains(word) {
            let near = InvalidOption.nearest(word, in: Swift.Set(commandNames)).map { " Did you mean '\($0)'?" } ?? ""
            let sentence =
                "There is no command '\(ControlCharacters.shown(word))'.\(near) 'kiln --help' lists what there is."
            StandardStream.error.write("kiln: \(sentence)\n")
            Foundation.exit(ExitStatus.usage.rawValue)
        }
        do {
            var command = try await asyncParseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            end(with: error)
        }
    }

    /// The names and aliases of all commands.
    private static var commandNames: [String] {
        configuration.subcommands.flatMap { [$0._commandName] + $0.configuration.aliases }
    }

    private static func end(with error: any Error) -> Never {
        let code = exitCode(for: error)
        guard code == .validationFailure else { exit(withError: error) }
        StandardStream.error.write(fullMessage(for: error) + "\n")
        Foundation.exit(ExitStatus.usage.rawValue)
    }
}

/// What this build calls itself.
enum Version {
    static let text = "0.1.0"
}
