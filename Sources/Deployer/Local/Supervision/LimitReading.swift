import Glibc

/// How far an instance has got with what the operating system gives it no more of without a word of Kiln's: read from its control
/// group and `/proc`, a few microseconds.
struct LimitReading: Sendable, Hashable {
    /// How often it was refused a process or thread, and how many it may have.
    var refusedTasks = 0
    var tasks = 0
    /// The files that its first process has open, and may have. 0 of 0: not known.
    var openFiles: UInt64 = 0
    var openFilesLimit: UInt64 = 0
    /// Bytes that `/tmp` has, and whether there is next to no room left, for bytes or for files.
    var temporaryBytes: Int64 = 0
    var temporaryIsFull = false

    /// More of the open files than this share counts as all: what fails opens some more, and closes them again.
    private static let nearly = 0.95

    /// Whether it has as good as all files open that it may.
    var hasAllFilesOpen: Bool { openFilesLimit > 0 && Double(openFiles) >= Double(openFilesLimit) * Self.nearly }
}

extension LimitReading {
    /// Reads what counts over the life of `instance`, also when its processes have ended, and, while they run, what it has now.
    init(_ instance: Instance, _ cgroups: Cgroups) {
        refusedTasks = cgroups.refusedTasks(instance.record.id)
        if refusedTasks > 0 { tasks = cgroups.tasks(instance.record.id) ?? 0 }
        guard !instance.process.hasExited else { return }
        let process = "/proc/\(instance.process.pid)"
        let (files, room) = (Self.openFiles(process), Self.room(process + "/root/tmp"))
        // What was read of another process, which got the number of one that ended meanwhile, is not this one's.
        guard !instance.process.hasExited else { return }
        (openFiles, openFilesLimit) = files
        (temporaryBytes, temporaryIsFull) = room
    }

    private static func openFiles(_ process: String) -> (open: UInt64, limit: UInt64) {
        var status = stat()
        guard stat(process + "/fd", &status) == 0 else { return (0, 0) }
        // Linux says their number as the directory's size, from 6.2 on (proc_pid_fd(5)).
        let open = status.st_size > 0 ? UInt64(status.st_size) : UInt64(DiskFile.names(in: process + "/fd").count)
        let line = DiskFile.text(process + "/limits")?.split(separator: "\n").first { $0.hasPrefix("Max open files ") }
        let limit = line.flatMap { $0.split(separator: " ").compactMap { UInt64($0) }.first }
        return (open, limit ?? 0)
    }

    private static func room(_ path: String) -> (bytes: Int64, isFull: Bool) {
        var status = statvfs()
        guard statvfs(path, &status) == 0, status.f_blocks > 0 else { return (0, false) }
        let full = status.f_bavail <= status.f_blocks / 50 || (status.f_files > 0 && status.f_ffree == 0)
        return (Int64(status.f_blocks) * Int64(status.f_frsize), full)
    }
}
