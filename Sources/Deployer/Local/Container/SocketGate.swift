import Glibc

/// Makes an instance's socket reachable for the Router, and only that socket.
///
/// The function owns the directory it listens in: whatever is there may be replaced at any time, for example by a symbolic link
/// to a socket of Kiln's own. So the Router dials a second name of the inode, in a directory that the function does not see.
struct SocketGate: Sendable {
    let paths: InstancePaths
    let userID: UInt32

    /// Links the function's socket as it is now; true when something accepts connections there.
    func open() -> Bool {
        unlink(paths.socket)
        // Without AT_SYMLINK_FOLLOW a link is linked as it is, and refused below.
        guard linkat(AT_FDCWD, paths.innerSocket, AT_FDCWD, paths.socket, 0) == 0 else { return false }
        var status = stat()
        guard lstat(paths.socket, &status) == 0, status.st_mode & 0o170000 == 0o140000, status.st_uid == userID else {
            unlink(paths.socket)
            return false
        }
        return accepts
    }

    /// Whether something accepts connections behind the link.
    var accepts: Bool {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            guard paths.socket.utf8.count < buffer.count else { return false }
            buffer.copyBytes(from: paths.socket.utf8)
            return true
        }
        guard fits else { return false }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // A full queue is one that somebody listens on.
        return result == 0 || errno == EAGAIN
    }

    /// Waits until the function accepts connections; throws only when cancelled.
    func opened(changes: AsyncStream<Void>) async throws {
        while !DiskFile.exists(paths.innerSocket) {
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
