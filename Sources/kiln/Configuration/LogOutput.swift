import ArgumentParser
import Contract
import FoundationEssentials
import Glibc
import Logging
import Service

/// The form of log lines.
enum LogFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// `time level role message key=value …`, for people.
    case text
    /// One JSON object per line, for machines.
    case json
}

/// The options about logs that every role takes.
struct LogOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How log lines look: text or json.", valueName: "format"))
    var logFormat: LogFormat?

    @Option(
        help: ArgumentHelp(
            "The least level that is logged: trace, debug, info, notice, warning or error.", valueName: "level"))
    var logLevel: String?

    /// The same options as arguments for a child.
    var arguments: [String] {
        ChildArguments.option("--log-format", logFormat?.rawValue) + ChildArguments.option("--log-level", logLevel)
    }

    /// A logger for `role`; throws when the level is unknown.
    func logger(_ role: String) throws -> Logger {
        let name = try Setting.resolve(logLevel, "LOG_LEVEL", "info")
        guard let level = Logger.Level(rawValue: name) else {
            throw ValidationError("'\(name)' is not a log level: use trace, debug, info, notice, warning or error.")
        }
        let format = try Setting.resolve(logFormat, "LOG_FORMAT", .text)
        var logger = Logger(label: role) { LogOutput(role: $0, format: format) }
        logger.logLevel = level
        return logger
    }
}

/// Writes log lines to standard error, one `write` each, so that lines of several processes do not mix.
struct LogOutput: LogHandler {
    let role: String
    let format: LogFormat
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    init(role: String, format: LogFormat) {
        self.role = role
        self.format = format
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        let line =
            switch format {
            case .text: text(event, fields)
            case .json: json(event, fields)
            }
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    private func text(_ event: LogEvent, _ fields: Logger.Metadata) -> String {
        var line = "\(Timestamp.now()) \(event.level) \(role): \(event.message)"
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
            let text = "\(value)"
            let plain = text.allSatisfy { !$0.isWhitespace && $0 != "\"" } && !text.isEmpty
            line += plain ? " \(key)=\(text)" : " \(key)=\(Self.quoted(text))"
        }
        return line
    }

    private func json(_ event: LogEvent, _ fields: Logger.Metadata) -> String {
        var object = fields.mapValues { "\($0)" }
        object["time"] = Timestamp.now().description
        object["level"] = event.level.rawValue
        object["role"] = role
        object["message"] = event.message.description
        return (try? JSON.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private static func quoted(_ text: String) -> String {
        (try? JSON.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}
