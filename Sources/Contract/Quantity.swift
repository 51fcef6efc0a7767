/// Amounts of CPU and memory as Kubernetes writes them (apimachinery `resource.Quantity`), the part that functions need.
package enum Quantity {
    /// Bytes from `128Mi`, `1Gi`, `64M`, `1000k` or a plain number; `nil` for anything else.
    package static func bytes(_ text: String) -> Int64? {
        let units: [(String, Int64)] = [
            ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000),
        ]
        for (suffix, factor) in units where text.hasSuffix(suffix) {
            return whole(text.dropLast(suffix.count)).flatMap { multiply($0, factor) }
        }
        return whole(text[...])
    }

    /// `bytes` as ``bytes(_:)`` takes it, in the largest unit of which it is a whole number.
    package static func text(bytes: Int64) -> String {
        for (unit, factor) in [("Gi", Int64(1) << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)]
        where bytes >= factor && bytes % factor == 0 {
            return "\(bytes / factor)\(unit)"
        }
        return "\(bytes)"
    }

    /// Thousandths of a core from `250m`, `1`, `1.5`; `nil` for anything else.
    package static func millicores(_ text: String) -> Int64? {
        if text.hasSuffix("m") { return whole(text.dropLast()) }
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let cores = parts.first.flatMap({ whole($0) }).flatMap({ multiply($0, 1000) }) else { return nil }
        guard parts.count == 2 else { return cores }
        guard parts[1].count <= 3, let fraction = whole(parts[1]) else { return nil }
        let scale: [Int64] = [1000, 100, 10, 1]
        return cores + fraction * scale[parts[1].count]
    }

    private static func whole(_ text: Substring) -> Int64? {
        guard text.isDecimal else { return nil }
        return Int64(text)
    }

    private static func multiply(_ left: Int64, _ right: Int64) -> Int64? {
        let (result, overflow) = left.multipliedReportingOverflow(by: right)
        return overflow ? nil : result
    }
}
