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
        var table = Table([
            .init("NAME", shortest: 12), .init("REVISION", isNumeric: true), .init("READY", isNumeric: true),
            .init("RESTARTS", isNumeric: true), .init("DEPLOYED"), .init("URL", shortest: 10),
        ])
        let now = Timestamp.now()
        for function in functions {
            let ready = function.ready ?? 0
            let desired = function.desired ?? 0
            table.add([
                .init(function.name, .bold), .init(function.revision.map { String($0) } ?? "-"),
                desired == 0 && function.revision != nil
                    ? .init("parked", .dim) : .init("\(ready)/\(desired)", ready < desired ? .yellow : .green),
                .init(String(function.restarts ?? 0)),
                .init(
                    function.deployed.map { terminal.isTerminal ? Amounts.age($0, now: now) : $0.description } ?? "-"),
                .init(function.url.map { client.absolute($0) } ?? "-", .dim),
            ])
        }
        return table
    }
}
