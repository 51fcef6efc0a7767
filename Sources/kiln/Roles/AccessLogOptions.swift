import ArgumentParser
import Contract
import FoundationEssentials
import Router

/// Whether every call is written down; options of `kiln router` and `kiln up` alike.
struct AccessLogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file that gets a line for each call (default: none).", valueName: "file"))
    var accessLog: String?

    @Option(
        help: ArgumentHelp(
            "How its lines look: json, or common, the Common Log Format (default: json).", valueName: "format"))
    var accessLogFormat: AccessLogFormat?

    @Option(
        help: ArgumentHelp(
            "Of the calls that have not failed, the part that gets a line, 0 to 1 (default: 1).", valueName: "fraction")
    )
    var accessLogSample: Double?

    @Option(
        help: ArgumentHelp(
            "Most bytes of the access log; as many from before are kept in FILE.1 (default: 64Mi).", valueName: "bytes")
    )
    var accessLogBytes: String?

    /// The log, opened; `nil` when none was asked for.
    func open() throws -> AccessLog? {
        let limit = try limit()
        let format = try Setting.resolve(accessLogFormat, "ACCESS_LOG_FORMAT", .json)
        let sample = try Setting.fraction(accessLogSample, "--access-log-sample")
        guard let path = accessLog ?? Setting.optional("ACCESS_LOG") else { return nil }
        do throws(RouterError) {
            return try AccessLog(
                path: path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path, limit: limit,
                format: format, sample: sample)
        } catch {
            throw StartError(error.message)
        }
    }

    private func limit() throws -> Int64 {
        try Setting.bytes(accessLogBytes, "--access-log-bytes", in: 64 << 10 ... .max) ?? 64 << 20
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        ChildArguments.option("--access-log", accessLog)
            + ChildArguments.option("--access-log-format", accessLogFormat?.rawValue)
            + ChildArguments.option("--access-log-sample", accessLogSample)
            + ChildArguments.option("--access-log-bytes", accessLogBytes)
    }
}

extension AccessLogFormat: ExpressibleByArgument {}
