import Contract

/// Amounts as people write them.
package enum Amounts {
    /// `512 B`, `1.5 KiB`, `82 MiB`.
    package static func bytes(_ count: Int64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return "\(short(value)) \(units[unit])"
    }

    /// `0.42 ms`, `13 ms`, `2.4 s`.
    package static func duration(milliseconds: Double) -> String {
        milliseconds < 1000 ? "\(short(milliseconds)) ms" : "\(short(milliseconds / 1000)) s"
    }

    /// How long before `now` something was: `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`.
    package static func age(_ moment: Timestamp, now: Timestamp) -> String {
        let seconds = max(0, (now.milliseconds - moment.milliseconds) / 1000)
        switch seconds {
        case ..<60: return "\(seconds) s ago"
        case ..<3600: return "\(seconds / 60) min ago"
        case ..<(48 * 3600): return "\(seconds / 3600) h ago"
        default: return "\(seconds / 86400) d ago"
        }
    }

    /// Two digits when it is small, none after the point when it is not.
    private static func short(_ value: Double) -> String {
        if value >= 10 || value == value.rounded() { return String(Int(value.rounded())) }
        let digits = value < 1 ? 100.0 : 10.0
        let rounded = (value * digits).rounded() / digits
        return rounded == rounded.rounded() ? String(Int(rounded)) : "\(rounded)"
    }
}
