import ArgumentParser
import Client
import Contract
import Transfer

/// `kiln show`.
struct ShowCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one function: how it fares and how it is configured.")

    @Argument(help: "The function.", completion: FunctionArgument.completion)
    var name: FunctionArgument

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let document = try await client.call(.get, ["func", try name.name().value]).document
        if printer.isJSON {
            printer.document(document)
            return
        }
        let function = try document.answer(FunctionAnswer.self)
        let terminal = printer.output
        func moment(_ time: Timestamp?) -> String? {
            time.map { terminal.isTerminal ? "\($0) (\(Amounts.age($0, now: .now())))" : $0.description }
        }
        var facts: [(String, String?)] = [
            ("Name", function.name), ("URL", function.url.map { client.absolute($0) }),
            ("Revision", function.revision.map { String($0) } ?? "none is live"),
            ("Traffic", function.traffic.map(TrafficText.sentence)), ("Sticky", function.sticky),
            (
                "Step back",
                function.stepBack.map { "when more than \($0.percentText) % of \($0.requests) requests fail" }
            ),
            ("Stepped back", function.steppedBack.map { "\(moment($0.at) ?? ""): \($0.reason)" }),
            ("Pinned", function.pinned.flatMap { $0.isEmpty ? nil : $0.map { String($0) }.joined(separator: ", ") }),
            ("Instances", Self.instances(function)), ("Limited", function.limited),
            ("Load", Self.load(document["load"])),
            ("Last failure", function.lastFailure), ("Deployed", moment(function.deployed)),
            ("Created", moment(function.created)), ("Image", function.image),
            ("Base", function.base.map { $0 + (function.outdated == true ? " (old: 'kiln rebake')" : "") }),
        ]
        facts.append(contentsOf: (function.warnings ?? []).map { ("Warning", $0) })
        if let latest = function.latest {
            facts.append(
                ("Last deploy", "revision \(latest.revision), \(latest.state)\(latest.failure.map { ": \($0)" } ?? "")")
            )
        }
        for (name, value) in (document["spec"]?.object ?? [:]).sorted(by: { $0.key < $1.key }) {
            facts.append(contentsOf: Self.fact(name, value))
        }
        printer.lines(Self.lines(facts, terminal))
    }

    private static func instances(_ function: FunctionAnswer) -> String {
        let restarts = function.restarts ?? 0
        let suffix = restarts == 0 ? "" : ", \(restarts) restarts"
        if function.desired == 0, function.revision != nil { return "parked until the next request" + suffix }
        return "\(function.ready ?? 0) of \(function.desired ?? 0) ready" + suffix
    }

    private static func load(_ load: JSONValue?) -> String? {
        guard let requests = load?["requestsPerSecond"]?.double, let running = load?["inFlight"]?.double else {
            return nil
        }
        return "\(requests) requests/s, \(running) at a time"
    }

    /// An item of the configuration as lines; what this build does not know appears under its own name.
    private static func fact(_ name: String, _ value: JSONValue) -> [(String, String?)] {
        switch name {
        case "min": return [("Fewest", value.integer.map { "\($0) instances" })]
        case "max": return [("Most", value.integer.map { "\($0) instances" })]
        case "idle":
            return [("Parked", value.integer.map { $0 == 0 ? "never" : "after \($0) s without a request" })]
        case "cpuMillicores": return [("CPU", value.integer.map { "\(Double($0) / 1000) cores" })]
        case "memoryBytes": return [("Memory", value.integer.map { Amounts.bytes(Int64($0)) })]
        case "timeoutSeconds": return [("Timeout", value.integer.map { "\($0) s" })]
        case "cors": return CORSText.facts(value)
        case "environment":
            return (value.object ?? [:]).sorted { $0.key < $1.key }.map {
                ("env \($0.key)", $0.value.string ?? $0.value.text)
            }
        case "secrets":
            let names = value.array?.compactMap(\.string) ?? []
            return [("Secrets", names.isEmpty ? nil : names.joined(separator: ", "))]
        default:
            let title = name.prefix(1).uppercased() + name.dropFirst()
            return value == .null ? [] : [(title, value.string ?? value.text)]
        }
    }

    private static func lines(_ facts: [(String, String?)], _ terminal: Terminal) -> [String] {
        let known = facts.compactMap { fact in fact.1.map { (fact.0, $0) } }
        let width = known.map { TextWidth.columns(of: $0.0) }.max() ?? 0
        return known.map { name, value in
            terminal.paint(TextWidth.padded(terminal.safe(name), to: width), .bold) + "  " + terminal.safe(value)
        }
    }
}
