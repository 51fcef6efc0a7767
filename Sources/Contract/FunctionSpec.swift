/// The frozen configuration of a revision: everything but the code that decides how it runs.
///
/// Two revisions with the same image digest and an equal spec are the same deploy. Secrets appear by name only.
package struct FunctionSpec: Hashable, Sendable, Codable {
    /// How many instances run all the time, at least 1.
    package var instances: Int
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
    /// Environment variables.
    package var environment: [String: String]
    /// Secrets by name; each is resolved when an instance starts and appears as the environment variable of that name.
    package var secrets: [String]

    /// A spec with the platform's defaults.
    package init() {
        instances = 1
        cpuMillicores = 1000
        memoryBytes = 256 << 20
        timeoutSeconds = 60
        concurrency = 100
        network = .internet
        environment = [:]
        secrets = []
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
    /// Whether `network=` may name private ranges; flag `--allow-private-networks`.
    package var allowsPrivateNetworks = false

    /// The default bounds.
    package init() {}
}
