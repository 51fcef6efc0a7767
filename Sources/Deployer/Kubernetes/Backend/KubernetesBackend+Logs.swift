import Contract
import Kubernetes
import Logging
import Transfer

extension KubernetesBackend {
    package func logs(of function: FunctionName, _ query: LogQuery) async -> AsyncStream<[LogLine]> {
        AsyncStream { continuation in
            let task = Task {
                try? await watch()
                let lines = await self.lines(of: function, query)
                if !lines.isEmpty { continuation.yield(lines) }
                if query.follow, !query.previous {
                    await self.follow(function, query, after: lines.last?.time) { continuation.yield($0) }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private func pods(of function: FunctionName, _ revision: Int?) -> [(id: RevisionID, pod: Pod)] {
        view.revisions.filter { $0.key.function == function && (revision == nil || $0.key.number == revision) }
            .flatMap { id, known in known.pods.all.map { (id, $0) } }
            .sorted { $0.pod.key < $1.pod.key }
    }

    /// What there is so far, by time: of each Pod the present run of its container, and the one before.
    private func lines(of function: FunctionName, _ query: LogQuery) async -> [LogLine] {
        var lines: [LogLine] = []
        for (id, pod) in pods(of: function, query.revision) {
            var runs: [Bool] = (pod.function?.restartCount ?? 0) > 0 ? [true] : []
            if !query.previous { runs.append(false) }
            for previous in runs {
                var wanted = PodLogQuery(tail: query.tail)
                wanted.since = query.since
                wanted.previous = previous
                do {
                    lines += try await api.log(of: pod.key.name, in: settings.namespace, wanted)
                        .map { LogLine($0, pod.key.name, id) }
                } catch {
                    logger.debug("cannot read a Pod's log", metadata: ["pod": "\(pod.key.name)", "error": "\(error)"])
                }
            }
        }
        let sorted = lines.filter { query.wants($0) }.enumerated()
            .sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
        return sorted.suffix(query.tail).map(\.element)
    }

    /// Follows the logs of all Pods of a function, those to come included, until the task is cancelled.
    private func follow(
        _ function: FunctionName, _ query: LogQuery, after: Timestamp?,
        _ tell: @escaping @Sendable ([LogLine]) -> Void
    ) async {
        await withTaskGroup(of: String.self) { group in
            var followed: Set<String> = []
            // Pods of which nothing has been read begin with their first line.
            let since = after ?? query.since
            while !Task.isCancelled {
                for (id, pod) in pods(of: function, query.revision) {
                    guard followed.insert(pod.key.name).inserted else { continue }
                    group.addTask {
                        await self.follow(pod.key, id, query, after: since, tell)
                        return pod.key.name
                    }
                }
                guard (try? await change()) != nil else { break }
            }
            group.cancelAll()
        }
    }

    /// Follows one Pod. The server ends the stream with each run of the container: the next one goes on after the last line.
    private func follow(
        _ pod: ObjectKey, _ id: RevisionID, _ query: LogQuery, after: Timestamp?,
        _ tell: @Sendable ([LogLine]) -> Void
    ) async {
        var last = after
        var isFirst = true
        while !Task.isCancelled, known(id).pods[pod] != nil {
            if !isFirst { guard (try? await change()) != nil else { return } }
            isFirst = false
            do {
                let response = try await api.followLog(of: pod.name, in: settings.namespace, since: last)
                var cutter = WatchLines(limit: 1 << 20)
                for try await chunk in response.body {
                    let lines = try cutter.take(chunk).compactMap { PodLogLine(String(decoding: $0, as: UTF8.self)) }
                        // Fractions of a second are passed over by the server: what was told comes again.
                        .filter { line in last.map { $0 < line.time } ?? true }
                    guard let newest = lines.last?.time else { continue }
                    last = newest
                    let wanted = lines.map { LogLine($0, pod.name, id) }.filter { query.wants($0) }
                    if !wanted.isEmpty { tell(wanted) }
                }
            } catch {
                logger.trace("a log ended", metadata: ["pod": "\(pod.name)", "error": "\(error)"])
            }
        }
    }
}

extension LogLine {
    /// A line of a Pod; the cluster does not tell its streams apart.
    fileprivate init(_ line: PodLogLine, _ pod: String, _ id: RevisionID) {
        self.init(time: line.time, instance: pod, revision: id.number, stream: "stdout", message: line.text)
    }
}
