import Support
import Synchronization
import Testing

@testable import Kubernetes

@Suite struct ReflectorTests {
    @Test(.timeLimit(.minutes(3)), arguments: [true, false])
    func `a table follows the server through cuts, ends, lost history and an outage`(knowsWatchAll: Bool) async throws {
        try await withKubernetes { server in
            if !knowsWatchAll { try await server.order(.noWatchList) }
            let api = try server.api()
            _ = try await api.apply(ConfigMap("a", ["v": "1"]))
            try await withTable(api, Selection(namespace: "functions")) { table in
                try await table.shows(["a": "1"])
                _ = try await api.apply(ConfigMap("b", ["v": "1"]))
                try await table.shows(["a": "1", "b": "1"])

                try await server.order(.cutWatches)
                _ = try await api.apply(ConfigMap("a", ["v": "2"]))
                try await table.shows(["a": "2", "b": "1"])

                try await server.order(.endWatches)
                _ = try await api.delete(ConfigMap.self, "b", in: "functions")
                try await table.shows(["a": "2"])

                // While no watch is open the history is lost: the next one is too old.
                try await server.order(.drop("watch=true", when: .before, times: 1))
                try await server.order(.cutWatches)
                _ = try await api.apply(ConfigMap("c", ["v": "1"]))
                _ = try await api.delete(ConfigMap.self, "a", in: "functions")
                try await server.order(.compact)
                try await table.shows(["c": "1"])

                try await server.order(.down(true))
                try await server.order(.cutWatches)
                try await Task.sleep(for: .milliseconds(300))
                try await server.order(.down(false))
                _ = try await api.apply(ConfigMap("d", ["v": "1"]))
                try await table.shows(["c": "1", "d": "1"])
            }
            let log = try await server.order(.look()).log
            #expect(log.contains { $0.contains("sendInitialEvents") })
            #expect(log.contains { $0.contains("limit=500") } == !knowsWatchAll)
        }
    }

    @Test(.timeLimit(.minutes(3))) func `a watch that is cut at any byte of an event loses nothing`() async throws {
        try await withKubernetes { server in
            let api = try server.api()
            try await withTable(api, Selection(namespace: "functions", labels: "x=1")) { table in
                var expected: [String: String] = [:]
                for (number, count) in stride(from: 1, to: 700, by: 43).enumerated() {
                    try await server.order(.cut("watch=true", after: count))
                    try await server.order(.endWatches)
                    let name = "c\(number)"
                    _ = try await api.apply(ConfigMap(name, ["v": "1"], labels: ["x": "1"]))
                    expected[name] = "1"
                    try await table.shows(expected)
                }
                // What leaves the selection is gone.
                _ = try await api.apply(ConfigMap("c0", ["v": "2"], labels: ["x": "2"]))
                expected["c0"] = nil
                try await table.shows(expected)
            }
        }
    }

    @Test(.timeLimit(.minutes(2))) func `the watch ends when nobody listens any more`() async throws {
        try await withKubernetes { server in
            let api = try server.api()
            var changes: AsyncStream<TableChange<ConfigMap>>? = Reflector(api, Selection(namespace: nil)).changes()
            if let changes {
                for await change in changes {
                    if case .synced = change { break }
                }
            }
            #expect(try await server.order(.look()).watches == 1)
            changes = nil
            try await waitUntil("the watch is closed") { try await server.order(.look()).watches == 0 }
        }
    }

    private func withTable(
        _ api: APIClient, _ selection: Selection, _ body: (WatchedTable) async throws -> Void
    ) async throws {
        let table = WatchedTable()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await Reflector<ConfigMap>(api, selection).run { change in
                    table.content.withLock { content in
                        switch change {
                        case .added(let object), .changed(_, let object):
                            content[object.key.name] = object.data?["v"] ?? ""
                        case .removed(let object): content[object.key.name] = nil
                        case .synced: break
                        }
                    }
                }
            }
            try await body(table)
            group.cancelAll()
        }
    }
}

/// What a reflector has told so far.
private final class WatchedTable: Sendable {
    let content = Mutex<[String: String]>([:])

    func shows(_ expected: [String: String]) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while content.withLock({ $0 != expected }) {
            guard .now < deadline else {
                Issue.record("\(content.withLock { $0 }) instead of \(expected)")
                throw FixtureFailure("The table was not brought in line.")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
