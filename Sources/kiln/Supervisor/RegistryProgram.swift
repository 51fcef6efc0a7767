import FoundationEssentials

/// The embedded registry: Debian's docker-registry on a loopback address, data in the state directory.
enum RegistryProgram {
    /// Where Debian puts it.
    static let path = "/usr/bin/docker-registry"

    /// Writes its configuration and returns the plan to run it at `address`.
    ///
    /// `secret` signs the state of uploads that clients carry.
    static func plan(_ state: StateDirectory, address: String, secret: String) throws -> ChildPlan {
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw StartError(
                "The registry \(path) is missing. Install Debian's package docker-registry ('make up' does).")
        }
        let configuration = """
            version: 0.1
            log: {level: error, formatter: text, accesslog: {disabled: true}}
            storage:
              filesystem: {rootdirectory: \(quoted(state.registryData))}
              delete: {enabled: true}
              maintenance: {uploadpurging: {enabled: true, age: 24h, interval: 6h, dryrun: false}}
            http: {addr: \(quoted(address)), secret: \(quoted(secret)), headers: {X-Content-Type-Options: [nosniff]}}

            """
        try DurableFile.write(Array(configuration.utf8), to: state.registryConfiguration)
        return ChildPlan(
            name: "registry", arguments: [path, "serve", state.registryConfiguration], log: state.registryLog,
            grace: .seconds(5))
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }
}
