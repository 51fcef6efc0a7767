import ArgumentParser
import Client
import Contract

/// `kiln list`.
struct ListCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the functions, with what is live.", aliases: ["ls"])

    @Flag(name: .shortAndLong, help: "Print names only, one on each line.")
    var quiet = false

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let document = try await client.functions()
        if printer.isJSON {
            printer.document(document)
            return
        }
        let functions = try (document["functions"] ?? .array([])).answer([FunctionAnswer].self)
        if quiet {
            printer.lines(functions.map { printer.output.safe($0.name) })
            return
        }
        if functions.isEmpty {
            printer.note("There is no function yet. 'kiln init' writes one, 'kiln deploy FILE' puts it online.")
        }
        printer.table(Self.table(functions, client, printer.output))
    }

    static func table(_ functions: [FunctionAnswer], _ client: PlatformClient, _ terminal: Terminal) -> Table {
        // Nobody has to know of base images as long as all stand on one.
        let marksBases = functions.contains { $0.outdated == true }
        var columns: [Table.Column] = [
            .init("NAME", shortest: 12), .init("REVISION", isNumeric: true), .init("READY", isNumeric: true),
            .init("RESTARTS", isNumeric: true), .init("DEPLOYED"),
        ]
        if marksBases { columns.append(.init("BASE")) }
        columns.append(.init("URL", shortest: 10))
        var table = Table(columns)
        let now = Timestamp.now()
        for function in functions {
            let ready = function.ready ?? 0
            let desired = function.desired ?? 0
            var cells: [Table.Cell] = [
                .init(function.name, .bold),
                .init(function.traffic.map(TrafficText.list) ?? function.revision.map { String($0) } ?? "-"),
                desired == 0 && function.revision != nil
                    ? .init("parked", .dim) : .init("\(ready)/\(desired)", ready < desired ? .yellow : .green),
                .init(String(function.restarts ?? 0)),
                .init(
                    function.deployed.map { terminal.isTerminal ? Amounts.age($0, now: now) : $0.description } ?? "-"),
            ]
            if marksBases { cells.append(function.outdated == true ? .init("old", .yellow) : .init("current", .dim)) }
            cells.append(.init(function.url.map { client.absolute($0) } ?? "-", .dim))
            table.add(cells)
        }
        return table
    }
}
