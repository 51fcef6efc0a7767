import ArgumentParser
import Client
import Contract
import Transfer

/// `kiln traffic`.
struct TrafficCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "traffic", abstract: "Divide a function's traffic between revisions, end that, or show how it is.",
        discussion: """
            'kiln traffic hello 7=90 8=10' sends 90 of 100 requests to revision 7 and 10 to revision 8; 'kiln traffic hello 8=100' all \
            to revision 8. What does not run is started first. 'kiln traffic hello' shows which revisions get it.
            """)

    @Argument(help: "The function.", completion: FunctionArgument.completion)
    var name: FunctionArgument

    @Argument(
        help: ArgumentHelp(
            "Each revision with its percentage; together they come to 100.", valueName: "revision=percent"))
    var shares: [String] = []

    @Option(
        help: ArgumentHelp(
            "What keeps a client on its revision: cookie, or header:NAME.", valueName: "what"))
    var sticky: String?

    @Option(
        help: ArgumentHelp(
            "Back to the live revision when more of the requests to another one fail.", valueName: "percent"))
    var stepBack: String?

    @Option(
        help: ArgumentHelp(
            "How many requests are looked at together for --step-back (default: \(StepBack.defaultRequests)).",
            valueName: "number"))
    var stepBackRequests: String?

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let name = try name.name()
        guard !shares.isEmpty else { return try await show(name, client, printer) }
        var query = [(name: "to", value: try Self.goal(shares))]
        let options = [
            ("sticky", sticky), ("step-back", stepBack), ("step-back-requests", stepBackRequests),
        ]
        for case (let name, let value?) in options { query.append((name, value)) }
        let started = ContinuousClock.now
        let reply = try await Progress.show("Moving the traffic of \(name) …", on: printer) {
            [query] () async throws(ClientError) in
            try await client.call(.post, ["func", name.value, "traffic"], query: query, idle: .seconds(900))
        }
        if printer.isJSON {
            printer.document(reply.document)
            return
        }
        let answer = try reply.document.answer(DeployedAnswer.self)
        if answer.superseded == true {
            printer.line("\(name): a later deploy went live first; the traffic is as that left it.")
        } else {
            let now = answer.unchanged == true ? "still " : ""
            printer.line("\(name): \(now)\(Self.sentence(answer, client))")
        }
        printer.note(Deploy.timings(answer.timings ?? [:], took: started.duration(to: .now)))
    }

    private func show(_ name: FunctionName, _ client: PlatformClient, _ printer: Printer) async throws(ClientError) {
        guard sticky == nil, stepBack == nil, stepBackRequests == nil else {
            throw ClientError(
                .usage, "Say which revisions share the traffic, too, e.g. 'kiln traffic \(name) 7=90 8=10'.")
        }
        let document = try await client.call(.get, ["func", name.value]).document
        let function = try document.answer(FunctionAnswer.self)
        if printer.isJSON {
            printer.document(document)
        } else if let traffic = function.traffic {
            printer.line("\(name): \(TrafficText.sentence(traffic))")
        } else if let revision = function.revision {
            printer.line("\(name): all traffic to revision \(revision)")
        } else {
            printer.line("\(name): no revision is live")
        }
    }

    /// `7=90 8=10` as the platform reads it; what is wrong with the numbers it says itself.
    private static func goal(_ shares: [String]) throws(ClientError) -> String {
        var items: [String] = []
        for share in shares {
            let parts = share.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw ClientError(
                    .usage,
                    "Write REVISION=PERCENT for each revision, e.g. 'kiln traffic NAME 7=90 8=10', not '\(share)'.")
            }
            items.append("\(parts[0]):\(parts[1])")
        }
        return items.joined(separator: ",")
    }

    private static func sentence(_ answer: DeployedAnswer, _ client: PlatformClient) -> String {
        let url = answer.url.map { client.absolute($0) } ?? client.absolute("/fn/\(answer.name)")
        guard let traffic = answer.traffic else {
            return "all traffic to revision \(answer.revision.map { String($0) } ?? "?") at \(url)"
        }
        return "\(TrafficText.sentence(traffic)) at \(url)"
    }
}

/// Shares of the traffic in words.
enum TrafficText {
    /// `90 % to revision 7, 10 % to revision 8`.
    static func sentence(_ shares: [TrafficAnswer]) -> String {
        shares.map { "\($0.percent) % to revision \($0.revision)" }.joined(separator: ", ")
    }

    /// `7 (90 %), 8 (10 %)`.
    static func list(_ shares: [TrafficAnswer]) -> String {
        shares.map { "\($0.revision) (\($0.percent) %)" }.joined(separator: ", ")
    }
}
