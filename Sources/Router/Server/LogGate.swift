import NIOCore

/// Lets ten lines a second through and counts the others.
struct LogGate {
    private static let perSecond = 10
    private var windowEnd = NIODeadline.uptimeNanoseconds(0)
    private var admitted = 0
    private var suppressed = 0

    /// Whether a line may be written now.
    mutating func admits(at now: NIODeadline) -> Bool {
        if now >= windowEnd {
            windowEnd = now + .seconds(1)
            admitted = 0
        }
        guard admitted < Self.perSecond else {
            suppressed += 1
            return false
        }
        admitted += 1
        return true
    }

    /// How many lines were not written since the last one.
    mutating func takeSuppressed() -> Int {
        defer { suppressed = 0 }
        return suppressed
    }
}
