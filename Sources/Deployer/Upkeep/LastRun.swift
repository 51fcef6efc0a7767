import Glibc

/// When garbage was last collected: the time of a file, so that restarts do not put the next run off.
package struct LastRun: Sendable {
    private let path: String

    /// Kept as the file `path`.
    package init(path: String) { self.path = path }

    /// Seconds since then; `nil` when there was no run yet.
    var seconds: Int? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return max(0, time(nil) - status.st_mtim.tv_sec)
    }

    /// It is now.
    func note() {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        futimens(descriptor, nil)
        close(descriptor)
    }
}
