import NIOCore
import Synchronization

/// The event loops that a Router runs on, each a thread of its own.
package final class SocketLoopGroup: Sendable {
    let loops: [SocketLoop]

    /// Starts `threads` loops, 1 to 64; throws what the system says when it has no more threads or files (`IOError`).
    package init(threads: Int) throws {
        guard (1...64).contains(threads) else {
            throw RouterError(.configuration, "A Router runs on 1 to 64 event loops, not \(threads).")
        }
        var loops: [SocketLoop] = []
        do {
            for index in 0..<threads { loops.append(try SocketLoop(name: "router-\(index)")) }
        } catch {
            for loop in loops { loop.stop {} }
            throw error
        }
        self.loops = loops
    }

    /// Ends the loops, and what is still open on them.
    package func stop() async {
        for loop in loops {
            await withCheckedContinuation { continuation in loop.stop { continuation.resume() } }
        }
    }
}
