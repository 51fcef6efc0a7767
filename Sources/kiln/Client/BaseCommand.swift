import ArgumentParser
import Client
import Contract
import Transfer

/// `kiln base`.
struct BaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "base", abstract: "Show and update the base images that functions stand on.",
        subcommands: [List.self, Update.self])

    /// `kiln base list`.
    struct List: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the base images, and how many functions run on each.", aliases: ["ls"])

        @OptionGroup(title: "Platform") var platform: PlatformOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func perform(_ printer: Printer) async throws(ClientError) {
            let document = try await platform.client().call(.get, ["base"], idle: .seconds(120)).document
            if printer.isJSON {
                printer.document(document)
                return
            }
            let terminal = printer.output
            var table = Table([
                .init("BASE"), .init("DENO"), .init("PLATFORM"), .init("SINCE"), .init("FUNCTIONS", isNumeric: true),
                .init("REVISIONS", isNumeric: true), .init("REMARK"),
            ])
            let now = Timestamp.now()
            for base in try (document["bases"] ?? .array([])).answer([BaseAnswer].self) {
                let since = base.since.map { terminal.isTerminal ? Amounts.age($0, now: now) : $0.description }
                table.add([
                    .init(String(base.digest.prefix(19)), .bold), .init(base.deno ?? "-"), .init(base.platform ?? "-"),
                    .init(since ?? "-"), .init(String(base.functions ?? 0)), .init(String(base.revisions ?? 0)),
                    base.current == true ? .init("current", .green) : .init(""),
                ])
            }
            printer.table(table)
            if let unknown = document["unknown"]?.integer {
                printer.note("Of \(unknown) more revisions it is not known yet what they stand on; ask again.")
            }
        }
    }

    /// `kiln base update`.
    struct Update: ClientCommand {
        static let configuration = CommandConfiguration(
            commandName: "update", abstract: "Make or fetch the base image anew, and put new deploys on it.",
            discussion: """
                The platform looks again at the Deno program that it was started with (--deno), or at the image that --base-image names. Functions \
                that run stay on the base image that they stand on, until they are deployed again or rebaked ('kiln rebake').
                """)

        @OptionGroup(title: "Platform") var platform: PlatformOptions
        @OptionGroup(title: "Output") var output: OutputOptions

        func perform(_ printer: Printer) async throws(ClientError) {
            let client = try platform.client()
            let document = try await Progress.show("Updating the base image …", on: printer) {
                () async throws(ClientError) in
                try await client.call(.post, ["base"], idle: .seconds(900))
            }.document
            if printer.isJSON {
                printer.document(document)
                return
            }
            let base = try document.answer(BaseAnswer.self)
            let version = base.deno.map { " with Deno \($0)" } ?? ""
            printer.line(
                base.unchanged == true
                    ? "unchanged: new deploys get \(base.digest)\(version)" : "new deploys get \(base.digest)\(version)"
            )
        }
    }
}
