import FoundationEssentials
import Logging
import Transfer

/// Keeps a table in line with the objects of a cluster by watching them, and tells its changes.
package struct Reflector<Object: WatchedObject>: Sendable {
    /// How long a watch lasts at most; each lasts between half of this and all of it, so that not all end together. The server ends it.
    package static var watchLength: Duration { .seconds(480) }

    private let api: APIClient
    private let selection: Selection

    /// Watches the objects of `selection`.
    package init(_ api: APIClient, _ selection: Selection) {
        self.api = api
        self.selection = selection
    }

    /// The changes of the table, from an empty one on, until the stream is let go. They wait for a slow reader, without limit: one that
    /// does not read must let go.
    package func changes() -> AsyncStream<TableChange<Object>> {
        AsyncStream { continuation in
            let task = Task {
                await run { continuation.yield($0) }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Tells the changes of the table, from an empty one on, until the task is cancelled.
    package func run(_ tell: (TableChange<Object>) -> Void) async {
        var reflection = Reflection<Object>()
        while !Task.isCancelled {
            do throws(APIError) {
                switch reflection.next(fraction: .random(in: 0...1)) {
                case .pause(let pause):
                    guard (try? await Task.sleep(for: pause)) != nil else { return }
                case .list: reflection.listed(try await api.list(Object.self, selection)).forEach(tell)
                case .watchAll:
                    try await watch(
                        &reflection, [("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")], tell)
                case .watch(let version): try await watch(&reflection, [("resourceVersion", version)], tell)
                }
            } catch {
                if Task.isCancelled { return }
                reflection.failed(error)
                // A watch that breaks is daily business; one that cannot be begun is not.
                let level: Logger.Level = error.code == .unreachable || error.code == .expired ? .debug : .warning
                api.logger.log(level: level, "a watch failed", metadata: ["error": "\(error)"])
            }
        }
    }

    private func watch(
        _ reflection: inout Reflection<Object>, _ query: [(name: String, value: String)],
        _ tell: (TableChange<Object>) -> Void
    ) async throws(APIError) {
        let seconds = Int.random(in: Int(Self.watchLength / .seconds(2))...Int(Self.watchLength / .seconds(1)))
        var call = APICall(
            method: .get, path: Object.resource.path(namespace: selection.namespace), query: selection.query,
            action: "watch \(Object.resource.plural)")
        call.query += [("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", String(seconds))] + query
        let begin = ContinuousClock.now
        // Longer than the longest silence, so that one is told from a connection that has died.
        let timeouts = Timeouts(idle: Reflection<Object>.longestSilence + .seconds(10))
        let response = try await api.open(call, timeouts: timeouts)
        var lines = WatchLines(limit: api.configuration.answerLimit)
        do {
            for try await chunk in response.body {
                for line in try lines.take(chunk) {
                    let event = try JSONDecoder().decode(WatchEvent<Object>.self, from: Data(line))
                    reflection.received(event).forEach(tell)
                    if case .error(let status) = event {
                        api.logger.debug("a watch ended", metadata: ["reason": "\(status.message ?? "")"])
                        return
                    }
                }
            }
        } catch let error as APIError {
            throw error
        } catch let error as TransferError {
            // As far as it was told it counts: the next watch goes on there.
            api.logger.debug("a watch broke", metadata: ["error": "\(error)"])
        } catch {
            throw APIError(.malformed, "Cannot \(call.action): an event is not understood.", cause: error)
        }
        reflection.ended(after: .now - begin)
    }
}
