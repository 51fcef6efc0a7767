import Contract
import Kubernetes
import Transfer

/// What is wanted of a Pod's log.
struct PodLogQuery: Sendable, Hashable {
    /// The last so many lines; `nil` for all.
    var tail: Int?
    /// Only lines that are not older; the server looks at whole seconds.
    var since: Timestamp?
    /// Of the container's run before.
    var previous = false

    /// The last `tail` lines.
    init(tail: Int? = nil) { self.tail = tail }

    var items: [(name: String, value: String)] {
        var items = [("container", RevisionObjects.container), ("timestamps", "true")]
        if let tail { items.append(("tailLines", String(tail))) }
        if let since { items.append(("sinceTime", "\(since)")) }
        if previous { items.append(("previous", "true")) }
        return items
    }
}

/// A line of a Pod's log.
struct PodLogLine: Sendable, Hashable {
    var time: Timestamp
    var text: String

    /// What the server sends with `timestamps=true`: the time, a space, the text. `nil` for anything else.
    init?(_ line: some StringProtocol) {
        let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let time = Timestamp(String(first)) else { return nil }
        self.time = time
        text = parts.count > 1 ? String(parts[1]) : ""
    }
}

extension APIClient {
    /// The log of a function's container in `pod`, so far; empty while there is none.
    func log(of pod: String, in namespace: String, _ query: PodLogQuery) async throws(APIError) -> [PodLogLine] {
        let call = logCall(pod, namespace, query.items)
        do throws(APIError) {
            return try await send(call).text.split(whereSeparator: \.isNewline).compactMap { PodLogLine($0) }
        } catch {
            // The container has not started, or has no run before.
            guard error.status?.code == 400 || error.code == .notFound else { throw error }
            return []
        }
    }

    /// The log from now on, until the container or the server ends it.
    func followLog(
        of pod: String, in namespace: String, since: Timestamp?
    ) async throws(APIError) -> ClientResponse {
        var query = PodLogQuery()
        query.since = since
        return try await open(
            logCall(pod, namespace, query.items + [("follow", "true")]), timeouts: Timeouts(idle: nil))
    }

    private func logCall(
        _ pod: String, _ namespace: String, _ query: [(name: String, value: String)]
    ) -> APICall {
        APICall(
            method: .get, path: Pod.resource.path(namespace: namespace, name: pod, subresource: "log"), query: query,
            action: "read the log of Pod \(pod)")
    }
}
