import FoundationEssentials
import Glibc

extension RegistryProgram {
    /// Ends every docker-registry that works with `configuration`: also one whose supervisor died in the moment between starting it and
    /// writing its record.
    static func endLeftovers(of configuration: String) async {
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
            let leftovers = processes(of: configuration)
            if leftovers.isEmpty { return }
            for pid in leftovers { kill(pid, .now < deadline ? SIGTERM : SIGKILL) }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private static func processes(of configuration: String) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { pid in
            guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") else { return false }
            let arguments = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return arguments.first == path && arguments.last == configuration
        }
    }
}
