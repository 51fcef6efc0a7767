import ArgumentParser
import Client
import FoundationEssentials
import Glibc
import Transfer

extension ColorChoice: ExpressibleByArgument {}

/// How a client command prints.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document (or JSON lines, for what goes on) instead of text for people.")
    var json = false

    @Option(
        help: ArgumentHelp("Colours: auto (on terminals, unless NO_COLOR is set), always or never.", valueName: "when"))
    var color = ColorChoice.auto

    /// What to print with.
    var printer: Printer {
        Printer(
            isJSON: json,
            output: Terminal(descriptor: STDOUT_FILENO, color: color, variable: Setting.variable),
            error: Terminal(descriptor: STDERR_FILENO, color: color, variable: Setting.variable))
    }
}

/// Where the platform is.
struct PlatformOptions: ParsableArguments {
    /// The URL of a platform that was started without options.
    static let fallback = "http://127.0.0.1:8080"

    @Option(
        help: ArgumentHelp("The platform's URL (default: KILN_URL, else \(Self.fallback)).", valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "A file with the platform's token, if it asks for one (default: KILN_TOKEN, else the file KILN_TOKEN_FILE).",
            valueName: "file"), completion: .file())
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "A file with authorities (PEM) to trust beside the system's, for https (default: KILN_CA_FILE).",
            valueName: "file"), completion: .file())
    var caFile: String?

    /// The platform's URL as it is given.
    var address: String { url ?? Setting.optional("URL") ?? Self.fallback }

    /// The platform.
    func client() throws(ClientError) -> PlatformClient {
        let trust = (caFile ?? Setting.optional("CA_FILE")).map { TLSSettings.Trust.systemAnd(pemFile: $0) }
        return try PlatformClient(url: address, token: token(), tls: TLSSettings(trust: trust ?? .system))
    }

    private func token() throws(ClientError) -> PlatformClient.Token? {
        if tokenFile == nil, let text = Setting.optional("TOKEN") { return .init(text, from: "KILN_TOKEN") }
        guard let path = tokenFile ?? Setting.optional("TOKEN_FILE") else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ClientError(
                .denied,
                "The token file \(path) (\(tokenFile == nil ? "KILN_TOKEN_FILE" : "--token-file")) cannot be read.")
        }
        let text = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined()
        guard !text.isEmpty else { throw ClientError(.denied, "The token file \(path) is empty.") }
        return .init(text, from: path)
    }
}
