import ArgumentParser
import Contract
import Router

/// How much the Router takes in, and how long it waits; options of `kiln router` and `kiln up` alike.
struct TrafficOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Most bytes of the path and query of a call (default: 8Ki).", valueName: "bytes"))
    var maxTarget: String?

    @Option(
        help: ArgumentHelp("Most bytes of a call's head, at most 63Ki (default: 32Ki).", valueName: "bytes"))
    var maxHeaderBytes: String?

    @Option(help: ArgumentHelp("Most header fields of a call (default: 100).", valueName: "number"))
    var maxHeaders: Int?

    @Option(
        help: ArgumentHelp(
            "Most bytes of the body of a function's call (default: none, bodies are streamed).", valueName: "bytes"))
    var maxBody: String?

    @Option(
        help: ArgumentHelp("Most calls at a time on one connection with HTTP/2 (default: 100).", valueName: "number"))
    var maxStreams: Int?

    @Option(
        help: ArgumentHelp(
            "Most bytes of a call's body that wait in the Router, with HTTP/2 (default: 65535).", valueName: "bytes"))
    var maxStreamWindow: String?

    @Option(help: ArgumentHelp("Most open connections of clients (default: 16384).", valueName: "number"))
    var maxConnections: Int?

    @Option(
        help: ArgumentHelp(
            "Most calls that wait for an instance of one function (default: 10000).", valueName: "number"))
    var maxWaiting: Int?

    @Option(
        help: ArgumentHelp(
            "Most idle connections that each thread keeps to one instance (default: 256).", valueName: "number"))
    var maxIdleConnections: Int?

    @Option(
        help: ArgumentHelp("Seconds that the head of a call may take to arrive (default: 10).", valueName: "seconds"))
    var headerTimeout: Int?

    @Option(
        help: ArgumentHelp("Seconds that the body of a call may stand still (default: 30).", valueName: "seconds"))
    var bodyTimeout: Int?

    @Option(
        help: ArgumentHelp("Seconds that a connection stays open between calls (default: 75).", valueName: "seconds"))
    var idleTimeout: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds that a call waits for an instance that takes it (default: 10).", valueName: "seconds"))
    var waitTimeout: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds that the body of an answer, or who reads it, may stand still (default: 300).", valueName: "seconds"
        ))
    var streamTimeout: Int?

    @Option(
        help: ArgumentHelp("Seconds that a WebSocket may be silent (default: 3600).", valueName: "seconds"))
    var websocketTimeout: Int?

    /// Writes what was chosen into `configuration`; throws a sentence about what cannot be.
    func apply(to configuration: inout RouterConfiguration) throws {
        var limits = configuration.limits
        limits.targetBytes = try bytes(maxTarget, "--max-target", 64...60 << 10) ?? limits.targetBytes
        limits.headBytes =
            try bytes(maxHeaderBytes, "--max-header-bytes", 1 << 10...63 << 10) ?? limits.headBytes
        guard limits.targetBytes < limits.headBytes else {
            throw StartError(
                "--max-target cannot be \(limits.targetBytes) bytes: the whole head has \(limits.headBytes) (--max-header-bytes)."
            )
        }
        limits.fields = try number(maxHeaders, "MAX_HEADERS", "--max-headers", 8...5_000) ?? limits.fields
        limits.functionBody = try bytes(maxBody, "--max-body", 0...1 << 50)
        limits.http2.streams =
            try number(maxStreams, "MAX_STREAMS", "--max-streams", 1...10_000) ?? limits.http2.streams
        limits.http2.window =
            try bytes(maxStreamWindow, "--max-stream-window", 16 << 10...64 << 20) ?? limits.http2.window
        limits.connections =
            try number(maxConnections, "MAX_CONNECTIONS", "--max-connections", 1...1_000_000) ?? limits.connections
        limits.held = try number(maxWaiting, "MAX_WAITING", "--max-waiting", 0...1_000_000) ?? limits.held
        limits.pooled =
            try number(maxIdleConnections, "MAX_IDLE_CONNECTIONS", "--max-idle-connections", 0...100_000)
            ?? limits.pooled
        configuration.limits = limits
        try apply(to: &configuration.timeouts)
    }

    private func apply(to timeouts: inout RouterConfiguration.Timeouts) throws {
        let (hour, day) = (1...3600, 1...86_400)
        try seconds(headerTimeout, "HEADER_TIMEOUT", "--header-timeout", hour, &timeouts.head)
        try seconds(bodyTimeout, "BODY_TIMEOUT", "--body-timeout", hour, &timeouts.body)
        try seconds(idleTimeout, "IDLE_TIMEOUT", "--idle-timeout", day, &timeouts.idle)
        try seconds(waitTimeout, "WAIT_TIMEOUT", "--wait-timeout", hour, &timeouts.hold)
        try seconds(streamTimeout, "STREAM_TIMEOUT", "--stream-timeout", day, &timeouts.stream)
        try seconds(websocketTimeout, "WEBSOCKET_TIMEOUT", "--websocket-timeout", day, &timeouts.tunnel)
    }

    private func seconds(
        _ flag: Int?, _ name: String, _ option: String, _ range: ClosedRange<Int>, _ duration: inout Duration
    ) throws {
        if let seconds = try number(flag, name, option, range, unit: " seconds") { duration = .seconds(seconds) }
    }

    private func number(
        _ flag: Int?, _ name: String, _ option: String, _ range: ClosedRange<Int>, unit: String = ""
    ) throws -> Int? {
        guard flag != nil || Setting.optional(name) != nil else { return nil }
        return try Setting.number(flag, option, in: range, unit: unit)
    }

    private func bytes(_ flag: String?, _ option: String, _ range: ClosedRange<Int64>) throws -> Int? {
        try Setting.bytes(flag, option, in: range).map { Int($0) }
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        var list = ChildArguments.option("--max-target", maxTarget)
        list += ChildArguments.option("--max-header-bytes", maxHeaderBytes)
        list += ChildArguments.option("--max-headers", maxHeaders)
        list += ChildArguments.option("--max-body", maxBody)
        list += ChildArguments.option("--max-streams", maxStreams)
        list += ChildArguments.option("--max-stream-window", maxStreamWindow)
        list += ChildArguments.option("--max-connections", maxConnections)
        list += ChildArguments.option("--max-waiting", maxWaiting)
        list += ChildArguments.option("--max-idle-connections", maxIdleConnections)
        list += ChildArguments.option("--header-timeout", headerTimeout)
        list += ChildArguments.option("--body-timeout", bodyTimeout)
        list += ChildArguments.option("--idle-timeout", idleTimeout)
        list += ChildArguments.option("--wait-timeout", waitTimeout)
        list += ChildArguments.option("--stream-timeout", streamTimeout)
        return list + ChildArguments.option("--websocket-timeout", websocketTimeout)
    }
}
