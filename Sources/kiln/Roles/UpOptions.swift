import ArgumentParser
import Contract

/// What only `kiln up` can be told.
struct UpOptions: ParsableArguments {
    /// Where the embedded registry listens unless told otherwise.
    static let defaultRegistry = "127.0.0.1:5080"

    @Option(
        help: ArgumentHelp(
            "Where the embedded registry listens: a loopback address (default: \(Self.defaultRegistry)); port 0 takes a free one.",
            valueName: "host:port"))
    var registryListen: ListenOption?

    @Option(
        help: ArgumentHelp(
            "Most bytes of the embedded registry's log; as many from before are kept (default: 4Mi).",
            valueName: "bytes"))
    var registryLogBytes: String?

    /// Most bytes of the registry's log.
    func registryLogLimit() throws -> Int64 {
        try Setting.bytes(registryLogBytes, "--registry-log-bytes", in: 64 << 10 ... .max) ?? 4 << 20
    }

    /// The registry's address with a definite port.
    func registryAddress() throws -> String {
        var address = try Setting.resolve(
            registryListen, "REGISTRY_LISTEN",
            ListenOption(argument: Self.defaultRegistry) ?? .init(host: "127.0.0.1", port: 5080))
        guard address.isLoopback else {
            throw StartError(
                "The embedded registry asks nobody for a password, so it may only listen at a loopback address, not at "
                    + "\(address.text).")
        }
        if address.port == 0 {
            address.port = try FrontDoor.freePort()
        } else {
            try FrontDoor.requireFree(address, flag: "--registry-listen")
        }
        return address.text
    }
}
