import Glibc

/// The file of a unix socket.
package enum SocketFile {
    /// Lets only the owner connect.
    package static func restrict(_ path: String) throws {
        guard chmod(path, 0o600) == 0 else {
            throw ServiceError("cannot restrict \(path) to its owner: \(String(cString: strerror(errno)))")
        }
    }
}
