import Synchronization

/// Spans on their way to whoever exports them. Whoever adds one never waits: what finds no room is dropped, and counted.
package final class SpanQueue: Sendable {
    /// What became of spans so far.
    package struct Figures: Sendable, Hashable {
        /// Taken by the collector.
        package var exported = 0
        /// Dropped, because there was no room.
        package var dropped = 0
        /// Not taken by the collector, or not reached it in time.
        package var failed = 0

        /// So many of each.
        package init(exported: Int = 0, dropped: Int = 0, failed: Int = 0) {
            self.exported = exported
            self.dropped = dropped
            self.failed = failed
        }
    }

    private struct State {
        var spans: [Span] = []
        var figures = Figures()
    }

    /// How many may wait.
    package let limit: Int
    /// So many are worth a call of their own.
    private let batch: Int
    private let state = Mutex(State())
    /// Something is worth to be looked at: a batch is full.
    package let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    /// A queue for at most `limit` spans, which wakes its reader for `batch` of them.
    package init(limit: Int, batch: Int = 512) {
        self.limit = limit
        self.batch = max(1, min(batch, limit))
        (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Adds `spans`, of one request: all of them, or none.
    package func append(_ spans: [Span]) {
        let isFull = state.withLock { state in
            guard state.spans.count + spans.count <= limit else {
                state.figures.dropped += spans.count
                return true
            }
            let before = state.spans.count
            state.spans += spans
            return before < batch && state.spans.count >= batch
        }
        if isFull { wake.yield() }
    }

    /// Takes the oldest, at most `most`.
    package func take(_ most: Int) -> [Span] {
        state.withLock { state in
            guard state.spans.count > most else {
                defer { state.spans = [] }
                return state.spans
            }
            let taken = Array(state.spans.prefix(most))
            state.spans.removeFirst(most)
            return taken
        }
    }

    /// How many wait.
    package var count: Int { state.withLock { $0.spans.count } }

    /// Counts what became of spans that were taken.
    package func count(exported: Int = 0, failed: Int = 0) {
        state.withLock { state in
            state.figures.exported += exported
            state.figures.failed += failed
        }
    }

    /// What became of spans so far.
    package var figures: Figures { state.withLock { $0.figures } }

    /// The metric of `figures`; of nothing when there is no queue.
    package static func family(_ figures: Figures?) -> MetricFamily {
        let figures = figures ?? Figures()
        var family = MetricFamily(
            "kiln_trace_spans_total", .counter, "Spans of sampled requests that are over, by what became of them.")
        family.add(figures.exported, .init("outcome", "exported"))
        family.add(figures.dropped, .init("outcome", "dropped"))
        family.add(figures.failed, .init("outcome", "failed"))
        return family
    }
}
