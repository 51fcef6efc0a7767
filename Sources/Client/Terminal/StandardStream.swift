import Glibc
import Synchronization

/// Writes to standard output or standard error: every text whole, nothing buffered, nothing mixed.
package enum StandardStream: Sendable {
    case output
    case error

    private static let turn = Mutex(())

    /// Writes `text` as UTF-8. When nobody reads any more (`kiln logs x | head`), ends the process as any other program ends
    /// then: silently, by SIGPIPE.
    package func write(_ text: String) {
        let bytes = Array(text.utf8)
        let descriptor = self == .output ? STDOUT_FILENO : STDERR_FILENO
        Self.turn.withLock { _ in
            var offset = 0
            while offset < bytes.count {
                let count = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count > 0 {
                    offset += count
                } else if errno == EAGAIN {
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&waiting, 1, -1)
                } else if errno != EINTR {
                    break
                }
            }
            if offset < bytes.count, errno == EPIPE {
                signal(SIGPIPE, SIG_DFL)
                raise(SIGPIPE)
            }
        }
    }
}
