import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The Date field (RFC 9110 §5.6.7), made anew when the second changes.
struct DateLine {
    private var second: time_t = -1
    private var bytes = ByteBuffer()

    /// The field line with its CR LF.
    mutating func line() -> ByteBuffer {
        // Read without a system call, and exact to a few milliseconds.
        let now = time(nil)
        if now != second {
            second = now
            bytes = Self.make(second)
        }
        return bytes
    }

    static func make(_ second: time_t) -> ByteBuffer {
        var second = second
        var parts = tm()
        gmtime_r(&second, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let date = "\(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1900)"
        let time = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return ByteBuffer(string: "Date: \(days[Int(parts.tm_wday)]), \(date) \(time) GMT\r\n")
    }
}
