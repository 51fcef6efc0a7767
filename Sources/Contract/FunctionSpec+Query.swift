extension FunctionSpec {
    /// The option names that ``init(query:limits:)`` understands.
    package static let optionNames = CORSPolicy.optionNames.union([
        "min", "max", "idle", "cpu", "memory", "timeout", "concurrency", "network", "env", "secret",
    ])

    /// The names of a deploy's other options: they are about the deploy, and not frozen with the revision.
    package static let deployOptionNames: Set<String> = [
        "name", "entry", "wait", "dry-run", "check", "update", "reload", "force", "traffic", "sticky", "step-back",
        "step-back-requests",
    ]

    /// Reads the options of a deploy from decoded query items; throws ``InvalidOption`` for an unknown name, a bad value, a value
    /// outside `limits` or an option given twice (`env`, `secret` and `cors` may repeat).
    package init(query: [(name: String, value: String)], limits: SpecLimits) throws(InvalidOption) {
        self.init()
        var seen: Set<String> = []
        for (name, value) in query {
            let key =
                switch name {
                case "env": "env \(value.prefix { $0 != "=" })"
                case "secret", "cors": "\(name) \(value)"
                default: name
                }
            guard seen.insert(key).inserted else {
                throw InvalidOption(repeated: name)
            }
            try apply(name, value, limits)
        }
        if seen.contains("max") {
            guard minimumInstances <= maximumInstances else {
                throw InvalidOption(
                    name: "max", value: "\(maximumInstances)",
                    reason: "it is less than min, which is \(minimumInstances)")
            }
        } else {
            maximumInstances = max(minimumInstances, min(Self.defaultMaximum, limits.instances))
        }
        secrets.sort()
        cors = try CORSPolicy(query: query)
        let size = environment.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
        guard size <= limits.environmentBytes else {
            throw InvalidOption(
                name: "env", value: "…",
                reason:
                    "all variables together have \(size) bytes, \(limits.environmentBytes) are allowed (--max-env-bytes)"
            )
        }
    }

    private mutating func apply(_ name: String, _ value: String, _ limits: SpecLimits) throws(InvalidOption) {
        switch name {
        case "min":
            guard value != "0" else {
                throw InvalidOption(
                    name: name, value: value,
                    reason: "use 1 or more; idle=15m stops all instances while nobody calls the function")
            }
            minimumInstances = try Self.whole(name, value, in: 1...limits.instances, "--max-instances")
        case "max": maximumInstances = try Self.whole(name, value, in: 1...limits.instances, "--max-instances")
        case "idle": idleSeconds = try Self.idle(value)
        case "timeout": timeoutSeconds = try Self.whole(name, value, in: 1...limits.timeoutSeconds, "--max-timeout")
        case "concurrency": concurrency = try Self.whole(name, value, in: 1...limits.concurrency, "--max-concurrency")
        case "cpu":
            guard let millicores = Quantity.millicores(value), (10...limits.cpuMillicores).contains(millicores) else {
                throw InvalidOption(
                    name: name, value: value,
                    reason: "use 10m to \(limits.cpuMillicores)m (--max-cpu), e.g. 500m or 1.5")
            }
            cpuMillicores = millicores
        case "memory":
            let allowed = limits.minimumMemoryBytes...max(limits.minimumMemoryBytes, limits.memoryBytes)
            guard let bytes = Quantity.bytes(value), allowed.contains(bytes) else {
                throw InvalidOption(
                    name: name, value: value,
                    reason:
                        "use \(allowed.lowerBound >> 20)Mi to \(allowed.upperBound >> 20)Mi (--max-memory), e.g. 256Mi")
            }
            memoryBytes = bytes
        case "network": network = try Self.network(value, limits)
        case "env": try addVariable(value, limits)
        case "secret": try addSecret(value, limits)
        // These are read together.
        case _ where CORSPolicy.optionNames.contains(name): break
        default: throw InvalidOption(unknown: name, known: Self.optionNames.union(Self.deployOptionNames))
        }
    }

    private static func whole(
        _ name: String, _ value: String, in range: ClosedRange<Int>, _ flag: String
    ) throws(InvalidOption) -> Int {
        guard value.isDecimal, let number = Int(value),
            range.contains(number)
        else {
            throw InvalidOption(
                name: name, value: value,
                reason: "use a whole number from \(range.lowerBound) to \(range.upperBound) (\(flag))")
        }
        return number
    }

    private static func idle(_ value: String) throws(InvalidOption) -> Int {
        switch TimeSpan(value) {
        case .never: return 0
        case .seconds(let seconds) where (1...longestIdle).contains(seconds): return seconds
        default:
            throw InvalidOption(
                name: "idle", value: value, reason: "use a time from 1s to 30d such as 30s, 15m or 1h, or never")
        }
    }

    private static func network(_ value: String, _ limits: SpecLimits) throws(InvalidOption) -> NetworkPolicy {
        let policy = try NetworkPolicy(value)
        guard case .ranges(let ranges) = policy else { return policy }
        for range in ranges {
            if let special = SpecialRanges.neverReachable.first(where: range.overlaps) {
                throw InvalidOption(
                    name: "network", value: value, reason: "\(range) overlaps \(special), which no function may reach")
            }
            if !limits.allowsPrivateNetworks, let special = SpecialRanges.private.first(where: range.overlaps) {
                throw InvalidOption(
                    name: "network", value: value,
                    reason: "\(range) overlaps the private range \(special); the operator has to start Kiln with "
                        + "--allow-private-networks for that")
            }
        }
        return policy
    }

    private mutating func addVariable(_ value: String, _ limits: SpecLimits) throws(InvalidOption) {
        guard let equals = value.firstIndex(of: "=") else {
            throw InvalidOption(name: "env", value: value, reason: "write env=NAME=VALUE")
        }
        let name = String(value[..<equals])
        let content = String(value[value.index(after: equals)...])
        if let reason = EnvironmentName.problem(with: name) {
            throw InvalidOption(name: "env", value: name, reason: reason)
        }
        guard !content.utf8.contains(0) else {
            throw InvalidOption(name: "env", value: name, reason: "its value must not contain a NUL")
        }
        guard !secrets.contains(name) else {
            throw InvalidOption(name: "env", value: name, reason: "a secret has the same name")
        }
        guard environment.count < limits.variables else {
            throw InvalidOption(
                name: "env", value: name, reason: "at most \(limits.variables) variables are allowed (--max-env)")
        }
        environment[name] = content
    }

    private mutating func addSecret(_ name: String, _ limits: SpecLimits) throws(InvalidOption) {
        if let reason = EnvironmentName.problem(with: name) {
            throw InvalidOption(name: "secret", value: name, reason: reason)
        }
        guard environment[name] == nil else {
            throw InvalidOption(name: "secret", value: name, reason: "an env variable has the same name")
        }
        guard secrets.count < limits.secrets else {
            throw InvalidOption(
                name: "secret", value: name, reason: "at most \(limits.secrets) secrets are allowed (--max-secrets)")
        }
        secrets.append(name)
    }
}
