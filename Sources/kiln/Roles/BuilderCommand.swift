import ArgumentParser

/// `kiln builder`: makes images of functions.
struct BuilderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "builder", abstract: "Run the Builder: checks functions, bakes and pushes their images.")
}
