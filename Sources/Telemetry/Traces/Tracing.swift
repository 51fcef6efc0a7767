#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Which requests are recorded as spans, and where those go.
package struct Tracing: Sendable {
    /// Where spans go.
    package let queue: SpanQueue
    private let threshold: UInt64
    private let isAll: Bool

    /// Records `fraction`, 0 to 1, of the traces that begin here, and all those that somebody else has begun and wants recorded.
    package init(_ queue: SpanQueue, fraction: Double) {
        self.queue = queue
        isAll = fraction >= 1
        threshold = isAll ? .max : UInt64(max(0, fraction) * 0x1p64)
    }

    /// Whether a request is recorded that came with `parent`; `draw` makes a random number.
    package func samples(_ parent: TraceContext?, draw: () -> UInt64) -> Bool {
        if let parent { return parent.isSampled }
        return isAll || draw() < threshold
    }

    /// The time in nanoseconds since 1970.
    package static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
