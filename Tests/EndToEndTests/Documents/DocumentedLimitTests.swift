import Foundation
import Support
import Testing

/// The table of limits in docs/operations.md says of each limit the flag and the number that the program has.
@Suite struct DocumentedLimitTests {
    private struct Row {
        var flags: [String]
        var values: [String]
    }

    @Test func `every limit in the table is an option with that default`() async throws {
        let options = try await Self.options()
        let rows = try Self.rows()
        #expect(rows.count > 30)
        for row in rows {
            #expect(!row.flags.isEmpty, "\(row) has no flag")
            for (flag, value) in zip(row.flags, row.values) {
                let abstract = try #require(options[flag], "--\(flag) is no option of kiln up")
                guard let range = abstract.range(of: "(default: ") else { continue }
                let text = abstract[range.upperBound...].prefix { $0 != ")" && $0 != "," && $0 != ";" }
                #expect(Self.plain(value) == Self.plain(String(text)), "--\(flag): '\(value)' or '\(text)'?")
            }
        }
    }

    @Test func `every option that sets a limit is in the table`() async throws {
        let documented = Set(try Self.rows().flatMap(\.flags))
        for name in try await Self.options().keys where name.hasPrefix("max-") || name.hasSuffix("-timeout") {
            #expect(documented.contains(name), "--\(name) is not in the table")
        }
    }

    @Test func `every limit in the table is tested`() throws {
        let root = Platform.root + "/Tests"
        let files = try FileManager.default.subpathsOfDirectory(atPath: root).filter { $0.hasSuffix("Tests.swift") }
        let tests = try files.map { try String(contentsOfFile: "\(root)/\($0)", encoding: .utf8) }.joined()
        for flag in try Self.rows().flatMap(\.flags) {
            #expect(tests.contains("--\(flag)"), "no test names --\(flag)")
        }
    }

    private static func rows() throws -> [Row] {
        let text = try String(contentsOfFile: "\(Platform.root)/docs/operations.md", encoding: .utf8)
        let table = try #require(text.components(separatedBy: "## Limits").last)
        return table.split(separator: "\n").filter { $0.hasPrefix("|") }.dropFirst(2).map { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let flags: [String] = cells.count > 1 ? cells[1].matches(of: /--([a-z-]+)/).map { String($0.1) } : []
            return Row(flags: flags, values: flags.count > 1 ? cells[2].components(separatedBy: ", ") : [cells[2]])
        }
    }

    /// A number as both write it: `10 MiB`, `10Mi`; `10,000`; `120 s`, `120`; `80 %`.
    private static func plain(_ text: String) -> String {
        var text = text.replacing(",", with: "")
        for unit in ["KiB", "MiB", "GiB"] { text = text.replacing(" \(unit)", with: unit.dropLast()) }
        text = text.replacing(" %", with: "%").replacing(" days", with: "d").replacing("0.1 core", with: "100m")
        let first = text.split(separator: " ").first.map(String.init) ?? ""
        return first.hasSuffix("s") && first.dropLast().allSatisfy(\.isNumber) ? String(first.dropLast()) : first
    }

    private struct Help: Decodable {
        struct Command: Decodable {
            var commandName: String
            var arguments: [Argument]?
            var subcommands: [Command]?
        }
        struct Argument: Decodable {
            struct Name: Decodable { var name: String }
            var names: [Name]?
            var abstract: String?
        }
        var command: Command
    }

    /// The options of `kiln up` with what the program says of them.
    private static func options() async throws -> [String: String] {
        let result = try await command(Platform.program, ["--experimental-dump-help"])
        let help = try JSONDecoder().decode(Help.self, from: Data(result.output.utf8))
        let up = try #require(help.command.subcommands?.first { $0.commandName == "up" })
        let pairs = (up.arguments ?? []).flatMap { argument in
            (argument.names ?? []).map { ($0.name, argument.abstract ?? "") }
        }
        return Dictionary(pairs) { $1 }
    }
}
