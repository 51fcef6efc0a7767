import Contract

/// Reads the option `--since`.
package enum LogSince {
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ]

    /// The moment that `text` means: RFC 3339 (`2026-01-31T12:00:00Z`), or how long before `now` (`90s`, `10m`, `1h30m`, `2d`).
    package static func moment(_ text: String, now: Timestamp) throws(ClientError) -> Timestamp {
        if let ago = milliseconds(text) { return Timestamp(milliseconds: now.milliseconds - ago) }
        if let moment = Timestamp(text) { return moment }
        throw ClientError(
            .usage,
            "'\(text)' is no time for --since: use how long ago, such as 90s, 10m, 1h30m or 2d, or a moment such as "
                + "2026-01-31T12:00:00Z.")
    }

    private static func milliseconds(_ text: String) -> Int64? {
        var rest = Substring(text)
        var total: Int64 = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { ("0"..."9").contains($0) }
            guard !digits.isEmpty, digits.count <= 9, let number = Int64(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            guard
                let unit = units.first(where: {
                    rest.hasPrefix($0.name) && !("a"..."z").contains(rest.dropFirst($0.name.count).first ?? "0")
                })
            else { return nil }
            rest = rest.dropFirst(unit.name.count)
            total += number * unit.milliseconds
        }
        return total
    }
}
