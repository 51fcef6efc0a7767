import Foundation
import Synchronization
import Transfer

/// Constant load on a function from a few clients, half of it POSTs, which nobody may repeat for the client.
final class Load: Sendable {
    private struct Tally {
        var answered = 0
        var failures: [String] = []
        var seen: Set<String> = []
    }

    private let tally = Mutex(Tally())
    private let tasks = Mutex<[Task<Void, Never>]>([])

    /// Starts `clients` loops of requests to `path`.
    init(_ platform: Platform, _ path: String, clients: Int = 6) {
        for number in 0..<clients {
            let task = Task { [weak self] in
                while !Task.isCancelled {
                    await self?.once(platform, path, post: number % 2 == 0)
                    try? await Task.sleep(for: .milliseconds(2))
                }
            }
            tasks.withLock { $0.append(task) }
        }
    }

    /// Ends the load and returns what came of it.
    func stop() async -> (answered: Int, failures: [String], bodies: Set<String>) {
        let running = tasks.withLock { $0 }
        for task in running { task.cancel() }
        for task in running { await task.value }
        return tally.withLock { ($0.answered, $0.failures, $0.seen) }
    }

    private func once(_ platform: Platform, _ path: String, post: Bool) async {
        do {
            let answer = try await platform.call(post ? .post : .get, path, body: post ? [1, 2, 3] : nil)
            tally.withLock { tally in
                tally.answered += 1
                tally.seen.insert(answer.text)
                if answer.status != 200 { tally.failures.append("\(answer.status) \(answer.text.prefix(300))") }
            }
        } catch {
            if Task.isCancelled { return }
            tally.withLock { $0.failures.append("\(error)") }
        }
    }
}

/// Whether the long forms of stress tests were asked for (`make test-long`).
let isLong = ProcessInfo.processInfo.environment["KILN_TEST_LONG"] != nil
