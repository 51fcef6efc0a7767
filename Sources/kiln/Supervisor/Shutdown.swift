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
    static func reasons(lifeline: Bool) -> AsyncStream<ShutdownReason> {
        let (stream, continuation) = AsyncStream.makeStream(of: ShutdownReason.self)
        let sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { continuation.yield(.signal(number)) }
            source.resume()
            return source
        }
        signal(SIGPIPE, SIG_IGN)
        continuation.onTermination = { _ in for source in sources { source.cancel() } }
        if lifeline {
            startThread {
                var byte: UInt8 = 0
                while true {
                    let count = read(STDIN_FILENO, &byte, 1)
                    if count == 0 || (count < 0 && errno != EINTR) { break }
                }
                continuation.yield(.orphaned)
            }
        }
        return stream
    }

    /// Runs `body` until it ends by itself or a reason to end comes, and returns that reason.
    static func run(
        lifeline: Bool, _ body: @escaping @Sendable () async throws -> Void
    ) async throws -> ShutdownReason? {
        let reasons = reasons(lifeline: lifeline)
        return try await withThrowingTaskGroup(of: ShutdownReason?.self) { group in
            group.addTask {
                try await body()
                return nil
            }
            group.addTask {
                for await reason in reasons { return reason }
                return nil
            }
            let first = try await group.next() ?? nil
            group.cancelAll()
            do {
                while try await group.next() != nil {}
            } catch is CancellationError {
            } catch {
                if first == nil { throw error }
            }
            return first
        }
    }
}
