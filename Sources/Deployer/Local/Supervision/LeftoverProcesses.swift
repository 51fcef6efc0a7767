import Glibc

/// The processes that make or watch over containers, found by their arguments.
///
/// A Deployer that dies while conmon and the runtime make a container leaves them at it: unless they are ended first, the container
/// would come into being after all else of it has been swept away.
struct LeftoverProcesses: Sendable {
    let instances: String
    let programs: Set<String>

    /// Those of the instances that `maker` makes.
    init(of maker: InstanceMaker) {
        instances = maker.configuration.instances
        let monitor = maker.monitor
        programs = Set(
            [monitor.unshare, monitor.shell, monitor.mount, monitor.conmon, maker.runtime.program].map(\.path))
    }

    /// Kills those of the instances that `isLeft` names, and waits for their end.
    func end(where isLeft: (String) -> Bool) async {
        let handles = DiskFile.names(in: "/proc").compactMap { name in
            pid_t(name).flatMap { handle($0, isLeft) }
        }
        for handle in handles { handle.signal(SIGKILL) }
        for handle in handles { _ = await handle.exited(within: .seconds(2)) }
    }

    private func handle(_ process: pid_t, _ isLeft: (String) -> Bool) -> ProcessHandle? {
        guard belongs(process, isLeft), let handle = ProcessHandle(pid: process),
            // Once more, now that the number cannot change its meaning.
            belongs(process, isLeft)
        else { return nil }
        return handle
    }

    private func belongs(_ process: pid_t, _ isLeft: (String) -> Bool) -> Bool {
        guard let text = DiskFile.text("/proc/\(process)/cmdline", limit: 64 << 10) else { return false }
        let arguments = text.split(separator: "\0").map(String.init)
        guard let program = arguments.first, programs.contains(program) else { return false }
        return arguments.contains { argument in
            guard argument.hasPrefix(instances + "/") else { return false }
            let rest = argument.dropFirst(instances.count + 1).split(separator: "/", maxSplits: 1)
            guard rest.count == 2, InstanceID.isValid(String(rest[0])), isLeft(String(rest[0])) else { return false }
            return rest[1] == "bundle" || rest[1] == "bundle/rootfs"
        }
    }
}
