import Contract
import FoundationEssentials
import Transfer

/// What a `kiln logs` asks for.
package struct LogQuery: Sendable {
    /// The function.
    package var name: FunctionName
    /// From when on; `nil` for as far back as `tail` goes.
    package var since: Timestamp?
    /// At most so many of the lines there are; `nil` for the platform's default.
    package var tail: Int?
    /// Further options of the call, e.g. `previous`.
    package var options: [(name: String, value: String)]

    /// Asks for the lines of `name`.
    package init(name: FunctionName, since: Timestamp?, tail: Int?, options: [(name: String, value: String)] = []) {
        self.name = name
        self.since = since
        self.tail = tail
        self.options = options
    }
}

/// Reads a function's log as JSON lines.
package struct LogStream: Sendable {
    /// The most lines that a call gives (the platform's own limit).
    private static let mostLines = 100_000
    private let client: PlatformClient

    /// The logs behind `client`.
    package init(_ client: PlatformClient) { self.client = client }

    /// Gives `show` every line there is, as the platform wrote it and decoded.
    package func read(
        _ query: LogQuery, _ show: (String, LogLine) -> Void
    ) async throws(ClientError) { try await connect(query, follow: false, show) }

    /// Gives `show` the lines there are and new ones until the task is cancelled. A connection that ends is made again, over restarts of
    /// instances and of the platform; `lost` is told once for each time that it takes longer. Throws when the first connection fails, or the
    /// function is gone.
    package func follow(
        _ query: LogQuery, lost: (ClientError) -> Void, _ show: (String, LogLine) -> Void
    ) async throws(ClientError) {
        var memory = LogMemory()
        var query = query
        var pause = Duration.zero
        var isFirst = true
        while !Task.isCancelled {
            memory.connect()
            do throws(ClientError) {
                try await connect(query, follow: true) { text, line in
                    isFirst = false
                    pause = .zero
                    if memory.takes(line) { show(text, line) }
                }
                isFirst = false
            } catch {
                if isFirst || error.status == .notFound || error.status == .denied || error.status == .usage {
                    throw error
                }
                if pause == .milliseconds(500) { lost(error) }
            }
            pause = pause == .zero ? .milliseconds(250) : min(pause * 2, .seconds(4))
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            if let since = memory.since {
                query.since = max(since, query.since ?? since)
                query.tail = Self.mostLines
            }
        }
    }

    private func connect(
        _ query: LogQuery, follow: Bool, _ show: (String, LogLine) -> Void
    ) async throws(ClientError) {
        var items = query.options
        if follow { items.append(("follow", "true")) }
        if let since = query.since { items.append(("since", since.description)) }
        if let tail = query.tail { items.append(("tail", String(tail))) }
        let body = try await client.stream(
            ["func", query.name.value, "logs"], query: items, headers: ["Accept": "application/x-ndjson"])
        let decoder = JSONDecoder()
        var rest: [UInt8] = []
        do {
            for try await chunk in body {
                rest += chunk
                var start = rest.startIndex
                while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
                    if let line = try? decoder.decode(LogLine.self, from: Data(rest[start..<end])) {
                        show(String(decoding: rest[start..<end], as: UTF8.self), line)
                    }
                    start = end + 1
                }
                rest.removeFirst(start)
            }
        } catch {
            throw ClientError(.unreachable, "The connection to \(client.url) broke: \(error.message)")
        }
    }
}
