/// The frozen configuration of a revision: everything but the code that decides how it runs.
///
/// Two revisions with the same image digest and an equal spec are the same deploy. Secrets appear by name only.
package struct FunctionSpec: Hashable, Sendable {
    /// How many instances run while the function is not parked, at least 1.
    package var minimumInstances: Int
    /// How many instances there may be under load, at least ``minimumInstances``.
    package var maximumInstances: Int
    /// After how many seconds without a request all instances are stopped until the next one; 0 is never, `nil` leaves it to the operator.
    package var idleSeconds: Int?
    /// CPU limit of one instance in thousandths of a core.
    package var cpuMillicores: Int64
    /// Memory limit of one instance in bytes, V8 heap and array buffers together.
    package var memoryBytes: Int64
    /// The longest a request may take in whole, in seconds; streams that keep moving are exempt.
    package var timeoutSeconds: Int
    /// How many requests one instance is sent at a time.
    package var concurrency: Int
    /// What the function may reach.
    package var network: NetworkPolicy
    /// Which pages may call it from a browser; `nil`: that is left to the function itself.
    package var cors: CORSPolicy?
    /// Environment variables.
    package var environment: [String: String]
    /// Secrets by name; each is resolved when an instance starts and appears as the environment variable of that name.
    package var secrets: [String]

    /// How many instances a function may have under load unless its deploy says otherwise.
    package static let defaultMaximum = 10
    /// The longest that a function may idle before it is parked, in seconds: 30 days.
    package static let longestIdle = 30 * 86_400

    /// A spec with the platform's defaults.
    package init() {
        minimumInstances = 1
        maximumInstances = Self.defaultMaximum
        cpuMillicores = 1000
        memoryBytes = 256 << 20
        timeoutSeconds = 60
        concurrency = 100
        network = .internet
        environment = [:]
        secrets = []
    }
}

extension FunctionSpec: Codable {
    private enum CodingKeys: String, CodingKey {
        case minimumInstances = "min"
        case maximumInstances = "max"
        case idleSeconds = "idle"
        case cpuMillicores, memoryBytes, timeoutSeconds, concurrency, network, cors, environment, secrets
    }

    private enum EarlierKeys: String, CodingKey { case instances }

    /// Reads a recorded spec. One from before there was autoscaling has a fixed number of instances, and keeps it.
    package init(from decoder: any Decoder) throws {
        self.init()
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let earlier = try decoder.container(keyedBy: EarlierKeys.self)
        if let fixed = try earlier.decodeIfPresent(Int.self, forKey: .instances) {
            minimumInstances = fixed
            maximumInstances = fixed
        } else {
            minimumInstances = try values.decode(Int.self, forKey: .minimumInstances)
            maximumInstances = try values.decode(Int.self, forKey: .maximumInstances)
        }
        idleSeconds = try values.decodeIfPresent(Int.self, forKey: .idleSeconds)
        cpuMillicores = try values.decode(Int64.self, forKey: .cpuMillicores)
        memoryBytes = try values.decode(Int64.self, forKey: .memoryBytes)
        timeoutSeconds = try values.decode(Int.self, forKey: .timeoutSeconds)
        concurrency = try values.decode(Int.self, forKey: .concurrency)
        network = try values.decode(NetworkPolicy.self, forKey: .network)
        cors = try values.decodeIfPresent(CORSPolicy.self, forKey: .cors)
        environment = try values.decode([String: String].self, forKey: .environment)
        secrets = try values.decode([String].self, forKey: .secrets)
    }
}

/// The bounds within which a deploy may choose, set by the operator.
package struct SpecLimits: Hashable, Sendable {
    /// Most instances of one function; flag `--max-instances`.
    package var instances = 16
    /// Most CPU of one instance in thousandths of a core; flag `--max-cpu`.
    package var cpuMillicores: Int64 = 8000
    /// Least memory of one instance in bytes: below it the runtime itself does not start.
    package var minimumMemoryBytes: Int64 = 64 << 20
    /// Most memory of one instance in bytes; flag `--max-memory`.
    package var memoryBytes: Int64 = 4 << 30
    /// Longest request timeout in seconds; flag `--max-timeout`.
    package var timeoutSeconds = 3600
    /// Most concurrent requests of one instance; flag `--max-concurrency`.
    package var concurrency = 10_000
    /// Most bytes of all names and values of `env` together; flag `--max-env-bytes`.
    package var environmentBytes = 64 << 10
    /// Most variables of `env`; flag `--max-env`.
    package var variables = 256
    /// Most secrets of one function; flag `--max-secrets`.
    package var secrets = 64
    /// Whether `network=` may name private ranges; flag `--allow-private-networks`.
    package var allowsPrivateNetworks = false

    /// The default bounds.
    package init() {}
}
