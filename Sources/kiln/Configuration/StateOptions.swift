import ArgumentParser
import Contract

/// Where an installation keeps its state; every role takes it.
struct StateOptions: ParsableArguments {
    /// The state directory of an installation that names no other.
    static let fallback = "/var/lib/kiln"

    @Option(
        help: ArgumentHelp(
            "The directory of everything Kiln keeps (default: \(Self.fallback)).", valueName: "directory"))
    var stateDir: String?

    /// The directory, made absolute.
    func directory() throws -> StateDirectory {
        try StateDirectory(Setting.resolve(stateDir, "STATE_DIR", Self.fallback))
    }
}

/// A host and a port to listen at, `127.0.0.1:8080` or `[::1]:8080`.
struct ListenOption: ExpressibleByArgument, Sendable, Equatable {
    var host: String
    var port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let port = Int(argument[argument.index(after: colon)...]),
            (0...65535).contains(port)
        else { return nil }
        var host = argument[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port)
    }

    /// The written form.
    var text: String { Endpoint.Address.authority(host: host, port: port) }

    /// Whether only this machine can reach it.
    var isLoopback: Bool { host == "::1" || host == "localhost" || host.hasPrefix("127.") }
}
