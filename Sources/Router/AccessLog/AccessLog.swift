import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file with a line for each request. Event loops only add to a buffer; a thread of its own writes, so that a slow disk slows no
/// request: lines that it cannot keep up with are dropped, and counted in a line of their own.
package final class AccessLog: Sendable {
    /// What a line looks like.
    let format: AccessLogFormat
    /// Of the requests that have not failed, the part that has a line.
    private let sample: Double
    /// Bytes that may wait to be written.
    private static let bufferLimit = 8 << 20

    private struct State {
        var buffer: [UInt8] = []
        var dropped = 0
        var isWriting = false
        var descriptor: CInt
        var size: Int64
    }

    private let path: String
    private let limit: Int64
    private let state: Mutex<State>
    private let pool = NIOThreadPool(numberOfThreads: 1)

    /// Appends to the file at `path`; when it has `limit` bytes it becomes `<path>.1`, in the place of the one before. Of the requests that have not failed
    /// a random part has a line, `sample` from 0 to 1. Throws ``RouterError`` when the file cannot be opened.
    package init(path: String, limit: Int64, format: AccessLogFormat = .json, sample: Double = 1) throws(RouterError) {
        self.format = format
        self.sample = sample
        self.path = path
        self.limit = limit
        let descriptor = Self.open(path)
        guard descriptor >= 0 else {
            throw RouterError(
                .configuration,
                "The access log \(path) cannot be opened: \(String(cString: strerror(errno))) (--access-log).")
        }
        state = Mutex(State(descriptor: descriptor, size: Self.size(descriptor)))
        pool.start()
    }

    deinit {
        pool.shutdownGracefully { _ in }
        close(state.withLock { $0.descriptor })
    }

    /// Whether a request that has not failed gets a line; `draw` gives a random number.
    func takes(draw: () -> UInt64) -> Bool { sample >= 1 || Double(draw() >> 11) * 0x1p-53 < sample }

    /// Takes a line, its line feed included. Does not wait.
    func append(_ line: [UInt8]) {
        let begins = state.withLock { state in
            guard state.buffer.count + line.count <= Self.bufferLimit else {
                state.dropped += 1
                return false
            }
            state.buffer += line
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if begins { pool.submit { [weak self] _ in self?.writeAll() } }
    }

    /// Writes what has gathered, until nothing has. Only one thread is in here.
    private func writeAll() {
        while true {
            let (bytes, descriptor, size) = state.withLock { state -> ([UInt8], CInt, Int64) in
                if state.buffer.isEmpty { state.isWriting = false }
                var bytes = state.buffer
                state.buffer = []
                if state.dropped > 0, !bytes.isEmpty {
                    bytes += dropped(state.dropped).utf8
                    state.dropped = 0
                }
                return (bytes, state.descriptor, state.size)
            }
            if bytes.isEmpty { return }
            let current = rotated(descriptor, size, adding: Int64(bytes.count))
            let written = Self.write(bytes, to: current.descriptor)
            state.withLock { state in
                state.descriptor = current.descriptor
                state.size = current.size + written
            }
        }
    }

    /// A line about lines that are missing; in the Common Log Format, which has none of the kind, it is what readers take for a comment.
    private func dropped(_ count: Int) -> String {
        switch format {
        case .json: "{\"dropped\":\(count)}\n"
        case .common: "# \(count) lines dropped\n"
        }
    }

    /// The file to write to: a new one when this one is full, or when somebody has moved it away.
    private func rotated(_ descriptor: CInt, _ size: Int64, adding count: Int64) -> (descriptor: CInt, size: Int64) {
        var (named, open) = (stat(), stat())
        let isThere = stat(path, &named) == 0 && fstat(descriptor, &open) == 0 && named.st_ino == open.st_ino
        if isThere {
            guard size > 0, size + count > limit, rename(path, path + ".1") == 0 else { return (descriptor, size) }
        }
        let next = Self.open(path)
        guard next >= 0 else { return (descriptor, size) }
        close(descriptor)
        return (next, Self.size(next))
    }

    private static func open(_ path: String) -> CInt {
        #if canImport(Glibc)
            Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        #else
            Musl.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        #endif
    }

    private static func size(_ descriptor: CInt) -> Int64 {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int64(status.st_size) : 0
    }

    /// Returns how many bytes were written: on a full disk, not all.
    private static func write(_ bytes: [UInt8], to descriptor: CInt) -> Int64 {
        var offset = 0
        while offset < bytes.count {
            #if canImport(Glibc)
                let count = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            #else
                let count = bytes[offset...].withUnsafeBytes { Musl.write(descriptor, $0.baseAddress, $0.count) }
            #endif
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            offset += count
        }
        return Int64(offset)
    }
}
