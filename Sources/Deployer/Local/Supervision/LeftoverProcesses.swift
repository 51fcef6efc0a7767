import Glibc

/// The processes that make or watch over containers, found by their arguments.
///
/// A Deployer that dies while conmon and the runtime make a container leaves them at it: unless they are ended first, the container
/// would come into being after all else of it has been swept away.
struct LeftoverProcesses: Sendable {
    let maker: InstanceMaker

    /// Kills those of all instances but `kept`, and waits for their end.
    func end(except kept: Set<String>) async {
        let handles = DiskFile.names(in: "/proc").compactMap { name in
            pid_t(name).flatMap { handle($0, except: kept) }
        }
        for handle in handles { handle.signal(SIGKILL) }
        for handle in handles { _ = await handle.exited(within: .seconds(2)) }
    }

    private func handle(_ process: pid_t, except kept: Set<String>) -> ProcessHandle? {
        guard belongs(process, except: kept), let handle = ProcessHandle(pid: process),
            // Once more, now that the number cannot change its meaning.
            belongs(process, except: kept)
        else { return nil }
        return handle
    }

    private func belongs(_ process: pid_t, except kept: Set<String>) -> Bool {
        guard let text = DiskFile.text("/proc/\(process)/cmdline", limit: 64 << 10) else { return false }
        let arguments = text.split(separator: "\0").map(String.init)
        guard let program = arguments.first, programs.contains(program) else { return false }
        return arguments.contains { argument in
            guard argument.hasPrefix(prefix) else { return false }
            let rest = argument.dropFirst(prefix.count).split(separator: "/", maxSplits: 1)
            guard rest.count == 2, InstanceID.isValid(String(rest[0])), !kept.contains(String(rest[0])) else {
                return false
            }
            return rest[1] == "bundle" || rest[1] == "bundle/rootfs"
        }
    }

    private var prefix: String { maker.configuration.instances + "/" }

    private var programs: Set<String> {
        let monitor = maker.monitor
        return Set([monitor.unshare, monitor.shell, monitor.mount, monitor.conmon, maker.runtime.program].map(\.path))
    }
}
