import CLinux
import Dispatch
import Glibc
import Synchronization

/// Tells when a file or anything in a directory of sources changes.
package final class SourceWatch: Sendable {
    private struct State {
        /// The directories behind the watches, and in which of them only one name counts.
        var directories: [Int32: String] = [:]
    }

    private let descriptor: Int32
    private let origin: SourceUpload.Origin
    private let state = Mutex(State())

    /// Watches `origin`; throws `usage` for standard input, which has no later.
    package init(_ origin: SourceUpload.Origin) throws(ClientError) {
        if origin == .standardInput { throw ClientError(.usage, "Standard input cannot be watched: name a file.") }
        self.origin = origin
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else {
            throw ClientError(.failed, "Files cannot be watched: \(String(cString: strerror(errno))).")
        }
        try addWatches()
    }

    deinit { close(descriptor) }

    /// An element some time after each burst of changes: when nothing has changed for 80 ms, or after a second at the latest.
    package func changes() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let task = Task.detached {
            while !Task.isCancelled {
                guard self.drain() else {
                    try? await Task.sleep(for: .milliseconds(60))
                    continue
                }
                let begun = ContinuousClock.now
                repeat {
                    try? await Task.sleep(for: .milliseconds(80))
                } while self.drain() && begun.duration(to: .now) < .seconds(1)
                try? self.addWatches()
                continuation.yield()
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    /// Watches the directories there are now: also those that came since the last call.
    private func addWatches() throws(ClientError) {
        switch origin {
        case .standardInput: break
        case .file(let path):
            let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
            try add(directory)
        case .directory(let root):
            try add(root)
            try SourceTree.walk(root) { (path, kind) throws(ClientError) in
                if kind == .directory { try add(root + "/" + path) }
            }
        }
    }

    private func add(_ directory: String) throws(ClientError) {
        // Editors write in place, or write another file and rename it: both are changes in the directory.
        let mask = UInt32(IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)
        let watch = inotify_add_watch(descriptor, directory, mask)
        guard watch >= 0 else {
            let reason =
                errno == ENOSPC ? "the limit fs.inotify.max_user_watches is reached" : String(cString: strerror(errno))
            throw ClientError(.failed, "\(directory) cannot be watched: \(reason).")
        }
        state.withLock { $0.directories[watch] = directory }
    }

    /// Takes all events there are; whether one was about the source.
    private func drain() -> Bool {
        let header = MemoryLayout<inotify_event>.size
        var isRelevant = false
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 8) { buffer in
            while true {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                var offset = 0
                while offset + header <= count {
                    let event = buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    let bytes = buffer[(offset + header)..<min(count, offset + header + Int(event.len))]
                    offset += header + Int(event.len)
                    if concerns(event.wd, String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)) {
                        isRelevant = true
                    }
                }
            }
        }
        return isRelevant
    }

    private func concerns(_ watch: Int32, _ name: String) -> Bool {
        switch origin {
        case .standardInput: false
        case .file(let path): name == path.split(separator: "/").last.map(String.init)
        case .directory: !name.hasPrefix(".") || name == IgnoreRules.file
        }
    }
}
