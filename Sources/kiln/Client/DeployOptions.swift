import ArgumentParser
import Client
import Contract

/// The configuration of a deploy: the query items of `POST /func`, under the same names.
///
/// Values are passed on as they are: the platform knows its limits, and says so.
struct DeployOptions: ParsableArguments {
    @OptionGroup var environment: EnvironmentOptions

    @Option(
        help: ArgumentHelp(
            "A secret that becomes an environment variable; may be repeated ('kiln secret').", valueName: "name"))
    var secret: [String] = []

    @Option(help: ArgumentHelp("The fewest instances.", valueName: "number"))
    var min: String?

    @Option(help: ArgumentHelp("The most instances.", valueName: "number"))
    var max: String?

    @Option(help: ArgumentHelp("Memory of one instance, e.g. 256Mi.", valueName: "bytes"))
    var memory: String?

    @Option(help: ArgumentHelp("CPU of one instance, e.g. 500m or 1.5.", valueName: "cores"))
    var cpu: String?

    @Option(help: ArgumentHelp("How long a request may take.", valueName: "seconds"))
    var timeout: String?

    @Option(help: ArgumentHelp("Requests that one instance gets at a time.", valueName: "number"))
    var concurrency: String?

    @Option(help: ArgumentHelp("After how long without requests instances are parked.", valueName: "time"))
    var idle: String?

    @Option(help: ArgumentHelp("What the function may reach: internet, none, or IPv4 ranges.", valueName: "policy"))
    var network: String?

    @Option(
        help: ArgumentHelp(
            "An origin whose pages may call it, e.g. https://example.com; may be repeated; * for every one.",
            valueName: "origin"))
    var cors: [String] = []

    @Option(help: ArgumentHelp("The methods that pages may use (default: any).", valueName: "methods"))
    var corsMethods: String?

    @Option(help: ArgumentHelp("The headers that pages may send (default: any).", valueName: "names"))
    var corsHeaders: String?

    @Option(help: ArgumentHelp("The headers of answers that pages may read.", valueName: "names"))
    var corsExpose: String?

    @Flag(help: "Pages may call with the user's cookies.")
    var corsCredentials = false

    @Option(
        help: ArgumentHelp(
            "How long a browser remembers what is allowed (default: \(CORSPolicy.defaultMaxAge)).", valueName: "seconds"
        ))
    var corsMaxAge: String?

    /// The query items that were given.
    func query() throws(ClientError) -> [(name: String, value: String)] {
        var query: [(name: String, value: String)] = []
        let single = [
            ("min", min), ("max", max), ("memory", memory), ("cpu", cpu), ("timeout", timeout),
            ("concurrency", concurrency), ("idle", idle), ("network", network), ("cors-methods", corsMethods),
            ("cors-headers", corsHeaders), ("cors-expose", corsExpose), ("cors-max-age", corsMaxAge),
        ]
        for case (let name, let value?) in single { query.append((name, value)) }
        for (name, value) in try environment.variables() { query.append(("env", "\(name)=\(value)")) }
        for origin in cors { query.append(("cors", origin)) }
        if corsCredentials { query.append(("cors-credentials", "true")) }
        for name in secret { query.append(("secret", name)) }
        return query
    }
}
