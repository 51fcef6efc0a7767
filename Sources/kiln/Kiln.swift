import ArgumentParser

/// The one executable: a subcommand per role, and `up`, which runs all of them on one machine.
@main
struct Kiln: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kiln",
        abstract: "A self-hosted function platform: POST a TypeScript file, call it under its name.",
        version: Version.text,
        subcommands: [
            UpCommand.self, BuilderCommand.self, DeployerCommand.self, RouterCommand.self, SecretCommand.self,
        ])
}

/// What this build calls itself.
enum Version {
    static let text = "0.1.0"
}
