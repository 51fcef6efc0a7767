import Glibc

/// Makes an instance's socket reachable for the Router, and only that socket.
///
/// The function owns the directory it listens in: whatever is there may be replaced at any time, for example by a symbolic link
/// to a socket of Kiln's own. So the Router dials a second name of the inode, in a directory that the function does not see.
struct SocketGate: Sendable {
    /// What the function listens on.
    private let inner: String
    /// The second name.
    private let outer: String
    private let userID: UInt32

    /// The socket for requests.
    init(paths: InstancePaths, userID: UInt32) {
        inner = paths.innerSocket
        outer = paths.socket
        self.userID = userID
    }

    /// The socket for liveness probes.
    init(livenessOf paths: InstancePaths, userID: UInt32) {
        inner = paths.innerLiveness
        outer = paths.liveness
        self.userID = userID
    }

    /// Links the function's socket as it is now; true when something accepts connections there.
    func open() -> Bool {
        unlink(outer)
        // Without AT_SYMLINK_FOLLOW a link is linked as it is, and refused below.
        guard linkat(AT_FDCWD, inner, AT_FDCWD, outer, 0) == 0 else { return false }
        var status = stat()
        guard lstat(outer, &status) == 0, status.st_mode & 0o170000 == 0o140000, status.st_uid == userID else {
            unlink(outer)
            return false
        }
        return accepts
    }

    /// Whether something accepts connections behind the link.
    var accepts: Bool {
        guard let descriptor = connected() else { return false }
        close(descriptor)
        return true
    }

    /// A connection to what listens behind the link; the caller closes it. One that the kernel has no room for is none, but
    /// a descriptor all the same: a full queue is one that somebody listens on.
    func connected() -> Int32? {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            guard outer.utf8.count < buffer.count else { return false }
            buffer.copyBytes(from: outer.utf8)
            return true
        }
        guard fits else {
            close(descriptor)
            return nil
        }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 || errno == EAGAIN { return descriptor }
        close(descriptor)
        return nil
    }

    /// Waits until the function accepts connections; throws only when cancelled.
    func opened(changes: AsyncStream<Void>) async throws {
        while !DiskFile.exists(inner) {
            var iterator = changes.makeAsyncIterator()
            if await iterator.next() == nil { try await Task.sleep(for: .milliseconds(20)) }
            try Task.checkCancellation()
        }
        // Between bind(2) and listen(2) there are microseconds; what does not listen then may never do.
        var pause = Duration.microseconds(500)
        while !open() {
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(20))
        }
    }
}
