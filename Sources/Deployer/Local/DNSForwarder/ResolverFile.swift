import Glibc
import Synchronization

/// The host's `/etc/resolv.conf`, read again when it has changed (a laptop changes its network, and so its name servers).
final class ResolverFile: Sendable {
    private struct State {
        var servers = NameServers([])
        var seconds = -1
        var nanoseconds = -1
    }

    private let path: String
    private let state = Mutex(State())

    init(_ path: String = "/etc/resolv.conf") { self.path = path }

    /// The name servers as of now.
    var servers: NameServers {
        state.withLock { state in
            var status = stat()
            guard stat(path, &status) == 0 else { return state.servers }
            if (status.st_mtim.tv_sec, status.st_mtim.tv_nsec) != (state.seconds, state.nanoseconds) {
                state.servers = NameServers(resolver: DiskFile.text(path) ?? "")
                (state.seconds, state.nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
            }
            return state.servers
        }
    }
}
