import CCurl
import Synchronization

/// What the tasks ask of the engine's thread, and libcurl's multi handle through which it is woken.
///
/// `@unchecked Sendable`: `multi` never changes, and other threads only ever pass it to `curl_multi_wakeup`, the one
/// function of the multi interface that may be called from any thread. The handle is freed by `deinit`, which runs when
/// neither the engine nor anyone who could wake it is left.
final class Mailbox: @unchecked Sendable {
    /// A wish of a task.
    enum Command: Sendable {
        /// Begin the exchange.
        case start(Exchange)
        /// Go on receiving or sending: the reader took what was there, or the body has more.
        case resume(Exchange)
        /// End the exchange.
        case cancel(Exchange)
        /// End everything.
        case stop
    }

    private struct Queue {
        var commands: [Command] = []
        var isClosed = false
    }

    /// Only for the engine's thread.
    let multi: UnsafeMutableRawPointer
    private let queue = Mutex(Queue())

    init() throws(TransferError) {
        guard libraryIsReady, let multi = curl_multi_init() else {
            throw TransferError(.unavailable, "libcurl could not be started.")
        }
        self.multi = multi
    }

    deinit { curl_multi_cleanup(multi) }

    /// Queues `command` and wakes the engine; `false` if the engine has ended.
    func post(_ command: Command) -> Bool {
        let (accepted, wakes) = queue.withLock { queue in
            guard !queue.isClosed else { return (false, false) }
            queue.commands.append(command)
            return (true, queue.commands.count == 1)
        }
        if wakes { curl_multi_wakeup(multi) }
        return accepted
    }

    /// All commands since the last call.
    func take() -> [Command] {
        queue.withLock { queue in
            defer { queue.commands.removeAll(keepingCapacity: true) }
            return queue.commands
        }
    }

    /// Takes no more commands; returns those left.
    func close() -> [Command] {
        queue.withLock { queue in
            queue.isClosed = true
            defer { queue.commands = [] }
            return queue.commands
        }
    }
}

/// Whether `curl_global_init` succeeded; it runs once.
private let libraryIsReady = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
