import CLinux
import Glibc
import Synchronization

/// Tells when something changes in directories, by one inotify descriptor for all of them: their number per user is small
/// (`fs.inotify.max_user_instances`, 128 by default), that of watches is not.
final class DirectoryWatch: Sendable {
    private struct State {
        var nextListener = 0
        var listeners: [Int32: [Int: AsyncStream<Void>.Continuation]] = [:]
    }

    private final class Listeners: Sendable {
        let state = Mutex(State())
    }

    /// What is told.
    enum Interest: Sendable {
        /// Entries that come, go or are renamed, and files that are written.
        case everything
        /// Entries that come or are renamed.
        case entries
    }

    private let descriptor: Int32
    private let mask: UInt32
    private let listeners = Listeners()
    private let source: DescriptorSource

    init(_ interest: Interest = .everything) throws(DeployerError) {
        let mask =
            switch interest {
            case .everything: IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_DELETE
            case .entries: IN_CREATE | IN_MOVED_TO
            }
        self.mask = UInt32(mask | IN_ONLYDIR) | UInt32(IN_EXCL_UNLINK)
        let descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { throw .system("watch directories (inotify_init)") }
        self.descriptor = descriptor
        let listeners = listeners
        source = DescriptorSource(owning: descriptor) { Self.drain(descriptor, listeners) }
    }

    /// One element for each burst of changes in `directory`: entries that come, go or are renamed, and files that are written.
    /// The stream ends with the directory; elements that nobody took yet are one.
    func changes(in directory: String) throws(DeployerError) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        // Under the lock, so that no event of the new watch is read before its listener is known.
        let watch = listeners.state.withLock { state -> Int32 in
            let watch = inotify_add_watch(descriptor, directory, mask)
            guard watch >= 0 else { return watch }
            state.nextListener += 1
            let number = state.nextListener
            state.listeners[watch, default: [:]][number] = continuation
            continuation.onTermination = { [weak self] _ in self?.forget(watch, number) }
            return watch
        }
        guard watch >= 0 else { throw .system("watch \(directory)") }
        return stream
    }

    private func forget(_ watch: Int32, _ number: Int) {
        listeners.state.withLock { state in
            guard var rest = state.listeners[watch], rest.removeValue(forKey: number) != nil else { return }
            if rest.isEmpty {
                state.listeners[watch] = nil
                inotify_rm_watch(descriptor, watch)
            } else {
                state.listeners[watch] = rest
            }
        }
    }

    private static func drain(_ descriptor: Int32, _ listeners: Listeners) {
        let header = MemoryLayout<inotify_event>.size
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 8) { buffer in
            while true {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                var offset = 0
                while offset + header <= count {
                    let event = buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    offset += header + Int(event.len)
                    notify(event.wd, ended: event.mask & UInt32(IN_IGNORED) != 0, overflow: event.wd < 0, listeners)
                }
            }
        }
    }

    private static func notify(_ watch: Int32, ended: Bool, overflow: Bool, _ listeners: Listeners) {
        let affected = listeners.state.withLock { state in
            if overflow { return state.listeners.values.flatMap(\.values) }
            let affected = state.listeners[watch].map { Array($0.values) } ?? []
            if ended { state.listeners[watch] = nil }
            return affected
        }
        for continuation in affected {
            continuation.yield()
            if ended { continuation.finish() }
        }
    }
}
