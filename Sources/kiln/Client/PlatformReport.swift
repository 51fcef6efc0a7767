import Client

/// What `kiln status` tells.
struct PlatformReport {
    let url: String
    /// What is known only on the platform's own machine.
    let machine: Machine?
    /// What the front door says of itself.
    var isReady = false
    /// As the roles tell, over HTTP.
    var roles: [RoleReport] = []
    /// How many functions there are, and how many of them lack instances.
    var functions: Int?
    var unready = 0
    /// Why the platform did not answer.
    var failure: ClientError?

    init(url: String, machine: Machine?) {
        self.url = url
        self.machine = machine
    }

    /// Whether everything answers.
    var isWhole: Bool { isReady && failure == nil && processes.allSatisfy { $0.isUp != false } }

    /// All processes: those that answer over HTTP, and those that this machine knows of.
    private var processes: [(name: String, isUp: Bool?, version: String?, pid: Int32?)] {
        let pids = machine?.processes ?? []
        let answering = roles.map { role in
            (role.name, Optional(role.isUp), role.version, pids.first { $0.name == role.name }?.pid)
        }
        let others = pids.filter { process in !roles.contains { $0.name == process.name } }
        return answering + others.map { ($0.name, $0.pid == nil ? false : nil, nil, $0.pid) }
    }

    /// The report for people.
    func lines(on terminal: Terminal) -> [String] {
        func state(_ good: Bool, _ yes: String, _ no: String) -> String {
            terminal.paint(good ? yes : no, good ? .green : .red)
        }
        var facts = [
            ("Platform", "\(url) \(state(isReady, "is up", failure == nil ? "is not ready" : "does not answer"))"),
            ("Client", "kiln \(Version.text)"),
        ]
        for process in processes {
            var text = state(process.isUp != false, process.isUp == nil ? "runs" : "ready", "not running")
            if let version = process.version { text += ", kiln \(terminal.safe(version))" }
            if let pid = process.pid { text += ", process \(pid)" }
            facts.append((terminal.safe(process.name), text))
        }
        if let functions {
            let rest = unready == 0 ? "" : ", \(unready) with instances that are not ready"
            facts.append(("Functions", "\(functions)\(rest)"))
        }
        if let machine {
            facts.append(("State", machine.directory))
            if let free = machine.freeBytes, let total = machine.totalBytes {
                facts.append(("Disk", "\(Amounts.bytes(free)) of \(Amounts.bytes(total)) free"))
            }
        }
        let width = facts.map { TextWidth.columns(of: $0.0) }.max() ?? 0
        return facts.map { terminal.paint(TextWidth.padded($0.0, to: width), .bold) + "  " + $0.1 }
    }

    /// The report for programs.
    var document: JSONValue {
        var members: [String: JSONValue] = [
            "clientVersion": .string(Version.text), "ready": .bool(isWhole), "url": .string(url),
        ]
        members["functions"] = functions.map { .integer(Int64($0)) }
        members["problem"] = failure?.document
        members["stateDir"] = machine.map { .string($0.directory) }
        members["freeBytes"] = machine?.freeBytes.map { .integer($0) }
        members["totalBytes"] = machine?.totalBytes.map { .integer($0) }
        members["roles"] = .array(
            processes.map { process in
                var object: [String: JSONValue] = ["name": .string(process.name), "up": .bool(process.isUp != false)]
                object["version"] = process.version.map { .string($0) }
                object["pid"] = process.pid.map { .integer(Int64($0)) }
                return .object(object)
            })
        return .object(members)
    }
}
