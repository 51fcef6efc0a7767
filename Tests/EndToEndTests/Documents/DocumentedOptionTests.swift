import Foundation
import Support
import Testing

/// The documents and the program speak of the same commands and options.
@Suite struct DocumentedOptionTests {
    /// Options of other programs that the documents name.
    private static let foreign: Set<String> = ["cached-only", "data-binary", "help", "tls-verify", "version"]

    @Test func `every command and option is documented`() async throws {
        let documents = try Self.documents()
        let text = documents.map(\.text).joined(separator: "\n")
        for command in try await Self.commands() where !command.path.isEmpty {
            let name = "kiln " + command.path.joined(separator: " ")
            #expect(text.contains(name), "\(name) is in no document")
            for option in command.options {
                #expect(text.contains("--" + option), "--\(option) of \(name) is in no document")
            }
        }
    }

    @Test func `every option in the documents exists`() async throws {
        let known = Set(try await Self.commands().flatMap(\.options)).union(Self.foreign)
        for document in try Self.documents() {
            for match in document.text.matches(of: /`(?:kiln [^`]*|)--([a-z][a-z-]+)/) {
                let option = String(match.1)
                #expect(known.contains(option), "\(document.path) names --\(option), which no command has")
            }
        }
    }

    private struct Command {
        var path: [String]
        var options: [String]
    }

    private static func documents() throws -> [(path: String, text: String)] {
        try DocumentTests.paths.map {
            ($0, try String(contentsOfFile: "\(Platform.root)/\($0)", encoding: .utf8))
        }
    }

    /// What the program itself says of its commands.
    private static func commands() async throws -> [Command] {
        let result = try await Support.command(Platform.program, ["--experimental-dump-help"])
        let dump = try JSONDecoder().decode(Dump.self, from: Data(result.output.utf8))
        var commands: [Command] = []
        func walk(_ command: Dump.Command, _ path: [String]) {
            guard command.commandName != "help", command.shouldDisplay != false else { return }
            let options = (command.arguments ?? []).filter(\.shouldDisplay).flatMap { argument in
                (argument.names ?? []).filter { $0.kind == "long" }.map(\.name)
            }
            commands.append(Command(path: path, options: options.filter { $0 != "help" && $0 != "version" }))
            for child in command.subcommands ?? [] { walk(child, path + [child.commandName]) }
        }
        walk(dump.command, [])
        return commands
    }

    private struct Dump: Decodable {
        struct Command: Decodable {
            var commandName: String
            var shouldDisplay: Bool?
            var subcommands: [Command]?
            var arguments: [Argument]?
        }
        struct Argument: Decodable {
            var shouldDisplay: Bool
            var names: [Name]?
        }
        struct Name: Decodable {
            var kind: String
            var name: String
        }
        var command: Command
    }
}
