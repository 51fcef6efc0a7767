/// How long the phases of an exchange may take. `nil` means no limit.
package struct Timeouts: Sendable, Hashable {
    /// From the start until the connection stands, TLS included.
    package var connect: Duration?
    /// From the start until the last byte of the answer. `nil` for answers that stream for hours.
    package var total: Duration?
    /// The longest silence: no byte moved either way, although this side was ready to read or write. The wait for the
    /// answer's head counts; the time in which the body's reader has not asked for more does not.
    package var idle: Duration?

    /// Limits per phase; by default 10 s to connect, 60 s of silence, and no total.
    package init(connect: Duration? = .seconds(10), total: Duration? = nil, idle: Duration? = .seconds(60)) {
        self.connect = connect
        self.total = total
        self.idle = idle
    }
}
