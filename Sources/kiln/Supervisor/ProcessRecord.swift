import FoundationEssentials
import Glibc

/// Remembers a child on disk, so that a supervisor after a crash finds and ends what its predecessor left.
///
/// A pid alone may long be somebody else's; the record also keeps the process's start time (`/proc/PID/stat`, field 22).
struct ProcessRecord {
    let path: String

    func write(_ pid: pid_t) throws {
        guard let started = Self.startTime(pid) else { return }
        try DurableFile.write(Array("\(pid) \(started)\n".utf8), to: path)
    }

    /// The recorded process, if it still runs.
    var running: pid_t? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        let fields = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let pid = pid_t(fields[0]), Self.startTime(pid) == String(fields[1]) else {
            return nil
        }
        return pid
    }

    /// Ends the recorded process, if it still runs: SIGTERM, after `grace` SIGKILL.
    func end(grace: Duration) async {
        guard let pid = running else {
            unlink(path)
            return
        }
        kill(pid, SIGTERM)
        let deadline = ContinuousClock.now.advanced(by: grace)
        while running == pid {
            if ContinuousClock.now > deadline { kill(pid, SIGKILL) }
            try? await Task.sleep(for: .milliseconds(20))
        }
        unlink(path)
    }

    private static func startTime(_ pid: pid_t) -> String? {
        guard let data = FileManager.default.contents(atPath: "/proc/\(pid)/stat") else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        guard let close = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: close)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return String(fields[19])
    }
}
