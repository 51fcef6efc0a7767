import ArgumentParser
import Client

/// `kiln completions`.
struct CompletionsCommand: ClientCommand {
    /// The shells there are scripts for.
    enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print the script that lets a shell complete commands and function names.",
        discussion: """
            bash: kiln completions bash > /etc/bash_completion.d/kiln
            zsh:  kiln completions zsh > "${fpath[1]}/_kiln"
            fish: kiln completions fish > ~/.config/fish/completions/kiln.fish
            """)

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let script = Kiln.completionScript(for: CompletionShell(rawValue: shell.rawValue) ?? .bash)
        if printer.isJSON {
            printer.document(.object(["script": .string(script), "shell": .string(shell.rawValue)]))
        } else {
            printer.line(script)
        }
    }
}
