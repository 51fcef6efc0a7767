import Dispatch
import Glibc

/// Why a process of Kiln's has to end.
enum ShutdownReason: Sendable, Equatable {
    /// Somebody asked: SIGTERM or SIGINT.
    case signal(Int32)
    /// The supervisor has died; what runs in containers is left for the next one.
    case orphaned
}

/// Tells a process that it has to end.
enum Shutdown {
    /// The reasons as they come: signals, and with `lifeline` the end of standard input.
    static func reasons(lifeline: Bool) -> Broadcast<ShutdownReason> {
        let broadcast = Broadcast<ShutdownReason>()
        signal(SIGPIPE, SIG_IGN)
        for number in [SIGTERM, SIGINT] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            // The handler keeps its source alive: it is there as long as the process.
            source.setEventHandler { withExtendedLifetime(source) { broadcast.send(.signal(number)) } }
            source.resume()
        }
        if lifeline {
            startThread {
                var byte: UInt8 = 0
                while true {
                    let count = read(STDIN_FILENO, &byte, 1)
                    if count == 0 || (count < 0 && errno != EINTR) { break }
                }
                broadcast.send(.orphaned)
            }
        }
        return broadcast
    }
}
