import FoundationEssentials

/// The embedded registry: Debian's docker-registry on a loopback address, data in the state directory.
struct RegistryProgram: Sendable {
    /// Where Debian puts it.
    static let path = "/usr/bin/docker-registry"

    /// What the registry lets its clients do.
    enum Access: Sendable {
        /// Everything.
        case writable
        /// Read: it refuses pushes and deletions with 405.
        case readOnly
    }

    /// Where it listens, `127.0.0.1:PORT`.
    let address: String
    private let state: StateDirectory
    private let secret: String

    /// The registry of `state` at `address`. `secret` signs the state of uploads that clients carry.
    init(_ state: StateDirectory, address: String, secret: String) throws {
        guard FileManager.default.isExecutableFile(atPath: Self.path) else {
            throw StartError(
                "The registry \(Self.path) is missing. Install Debian's package docker-registry ('make up' does).")
        }
        self.state = state
        self.address = address
        self.secret = secret
    }

    /// Writes its configuration and returns the plan to run it.
    func plan(_ access: Access) throws -> ChildPlan {
        try DurableFile.write(Array(configuration(access).utf8), to: state.registryConfiguration)
        return ChildPlan(
            name: "registry", arguments: [Self.path, "serve", state.registryConfiguration], log: state.registryLog,
            grace: .seconds(5))
    }

    /// The program that frees what no image has, with its arguments.
    var collector: [String] { [Self.path, "garbage-collect", state.registryConfiguration] }

    private func configuration(_ access: Access) -> String {
        let maintenance =
            switch access {
            case .writable: "uploadpurging: {enabled: true, age: 24h, interval: 6h, dryrun: false}"
            case .readOnly: "uploadpurging: {enabled: false}, readonly: {enabled: true}"
            }
        return """
            version: 0.1
            log: {level: error, formatter: text, accesslog: {disabled: true}}
            storage:
              filesystem: {rootdirectory: \(Self.quoted(state.registryData))}
              delete: {enabled: true}
              maintenance: {\(maintenance)}
            http: {addr: \(Self.quoted(address)), secret: \(Self.quoted(secret)), headers: {X-Content-Type-Options: [nosniff]}}

            """
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }
}
