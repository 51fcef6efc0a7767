import Contract

/// What a deploy asks for: the query of `POST /func`, parsed.
package struct BuildRequest: Sendable, Hashable {
    /// How far the deploy goes.
    package enum Mode: Sendable, Hashable {
        /// The answer comes when the revision serves.
        case untilServing
        /// The answer comes when the revision is recorded: `wait=false`.
        case untilRecorded
        /// Nothing is stored or changed; the answer says what would be: `dry-run=true`.
        case dryRun
    }

    /// The function.
    package let name: FunctionName
    /// The configuration to freeze.
    package let spec: FunctionSpec
    /// The module of an archive that handles requests: `entry=`.
    package let entry: String?
    /// How far the deploy goes.
    package let mode: Mode
    /// Whether types are checked; `check=false` skips that, and nothing else.
    package let typeChecking: BuildPlan.TypeChecking
    /// Whether the versions of what the function imports are chosen anew: `update=true`, or `reload=true` as it was called.
    package let freshness: Dependencies.Freshness
    /// Whether to take over what others have set of the function's object in a cluster: `force=true`.
    package let force: Bool
    /// Of 100 requests so many are for the new revision, the others for the live one: `traffic=`. `nil`: all.
    package let traffic: Int?
    /// What keeps a client on its revision, beside ``traffic``: `sticky=`.
    package let sticky: Stickiness?
    /// When the new revision has failed, beside ``traffic``: `step-back=` and `step-back-requests=`.
    package let stepBack: StepBack?

    /// What makes `live` again: with its configuration and versions.
    init(rebaking live: Revision, _ wanted: RebakeRequest) {
        name = live.function
        spec = live.spec
        entry = nil
        mode = wanted.mode
        typeChecking = wanted.typeChecking
        freshness = .rebaked
        force = false
        traffic = nil
        sticky = nil
        stepBack = nil
    }

    /// Parses decoded query items; throws a 400 ``Contract/Problem`` for a missing or bad name, an unknown option, a
    /// bad value, or an option given twice.
    package init(query: [(name: String, value: String)], limits: SpecLimits) throws(Problem) {
        let own = FunctionSpec.deployOptionNames
        var values: [String: String] = [:]
        for (name, value) in query where own.contains(name) {
            guard values.updateValue(value, forKey: name) == nil else {
                throw Problem("invalid-option", 400, "Invalid option", InvalidOption(repeated: name).description)
            }
        }
        name = try Self.name(values["name"])
        do throws(InvalidOption) {
            spec = try FunctionSpec(query: query.filter { !own.contains($0.name) }, limits: limits)
        } catch {
            throw Problem("invalid-option", 400, "Invalid option", error.description)
        }
        entry = values["entry"]
        if entry == "" { throw Self.invalid("entry", "", "name a file of the archive, e.g. main.ts") }
        let waits = try Self.flag("wait", values["wait"], otherwise: true)
        let isDryRun = try Self.flag("dry-run", values["dry-run"], otherwise: false)
        typeChecking = try Self.flag("check", values["check"], otherwise: true) ? .wanted : .skipped
        let updates = try ["update", "reload"].map { name throws(Problem) in
            try Self.flag(name, values[name], otherwise: false)
        }
        freshness = updates.contains(true) ? .updated : .kept
        force = try Self.flag("force", values["force"], otherwise: false)
        traffic = try Self.share(values["traffic"])
        do throws(InvalidOption) {
            (sticky, stepBack) = try Self.terms(values, isDivided: traffic != nil)
        } catch {
            throw Problem("invalid-option", 400, "Invalid option", error.description)
        }
        mode = isDryRun ? .dryRun : waits ? .untilServing : .untilRecorded
    }

    private static func name(_ text: String?) throws(Problem) -> FunctionName {
        guard let text else {
            throw Problem(
                "invalid-name", 400, "Invalid function name", "Say which function this is: POST /func?name=NAME.")
        }
        do throws(InvalidFunctionName) {
            return try FunctionName(text)
        } catch {
            throw Problem("invalid-name", 400, "Invalid function name", error.description)
        }
    }

    private static func terms(
        _ values: [String: String], isDivided: Bool
    ) throws(InvalidOption) -> (Stickiness?, StepBack?) {
        for name in ["sticky", "step-back", "step-back-requests"] where !isDivided {
            guard let value = values[name] else { continue }
            throw InvalidOption(
                name: name, value: value, reason: "it goes with traffic=PERCENT, which divides the traffic")
        }
        if values["step-back"] == nil, let requests = values["step-back-requests"] {
            throw InvalidOption(name: "step-back-requests", value: requests, reason: "it goes with step-back=PERCENT")
        }
        let sticky: Stickiness? = if let text = values["sticky"] { try Stickiness(text) } else { nil }
        guard let percent = values["step-back"] else { return (sticky, nil) }
        return (sticky, try StepBack(percent, requests: values["step-back-requests"]))
    }

    private static func share(_ text: String?) throws(Problem) -> Int? {
        guard let text else { return nil }
        guard text.utf8.count <= 3, text.isDecimal, let number = Int(text),
            number <= 100
        else {
            throw invalid(
                "traffic", text,
                "use a whole number from 0 to 100: the percentage of the requests that the new revision gets")
        }
        return number == 100 ? nil : number
    }

    private static func flag(_ name: String, _ text: String?, otherwise: Bool) throws(Problem) -> Bool {
        switch text {
        case nil: otherwise
        case "true", "": true
        case "false": false
        case .some(let value): throw invalid(name, value, "use true or false")
        }
    }

    private static func invalid(_ name: String, _ value: String, _ reason: String) -> Problem {
        Problem(
            "invalid-option", 400, "Invalid option",
            InvalidOption(name: name, value: value, reason: reason).description)
    }
}
