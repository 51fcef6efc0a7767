import Contract
import Glibc

/// Keeps the logs of the last few ended instances of each function: `logs/<function>/<made>-<revision>-<instance>.log`.
struct LogArchive: Sendable {
    /// A kept log.
    struct Entry: Sendable, Hashable {
        var path: String
        var instance: String
        var revision: Int
    }

    /// Most functions of which logs are kept, so that deployed and deleted names do not pile up.
    static let functions = 1000

    let directory: String
    let perFunction: Int

    /// Takes over the log at `path` of an instance that has ended, and drops the function's oldest.
    func keep(_ path: String, of record: InstanceRecord) {
        let folder = "\(directory)/\(Self.folder(of: record.workload.id))"
        guard perFunction > 0, (try? DiskFile.directory(folder)) != nil else { return }
        let made = String(record.created.milliseconds)
        let kept = "\(folder)/\(made)-\(record.revisionNumber)-\(record.id).log"
        let files = LogFiles(path)
        files.keep()
        let generations = files.generations.numbers
        guard rename(path, kept) == 0 else { return }
        for number in generations {
            guard rename(files.path(number), LogFiles(kept).path(number)) == 0 else { continue }
        }
        let names = DiskFile.names(in: folder)
        for name in names.filter({ $0.hasSuffix(".log") }).dropLast(perFunction) {
            for file in names where file == name || file.hasPrefix(name + ".") { unlink("\(folder)/\(file)") }
        }
        dropOldestFolders()
    }

    /// The kept logs of `id`'s function, oldest first.
    func entries(of id: WorkloadID) -> [Entry] {
        let folder = "\(directory)/\(Self.folder(of: id))"
        return DiskFile.names(in: folder).compactMap { name in
            let parts = name.dropLast(".log".count).split(separator: "-")
            guard name.hasSuffix(".log"), parts.count == 3, let revision = Int(parts[1]) else { return nil }
            return Entry(path: "\(folder)/\(name)", instance: String(parts[2]), revision: revision)
        }
    }

    /// `kiln` is no function's name (``FunctionName/reserved``).
    private static func folder(of id: WorkloadID) -> String {
        switch id {
        case .revision(let revision): revision.function.value
        case .checker: "kiln"
        }
    }

    private func dropOldestFolders() {
        let names = DiskFile.names(in: directory)
        guard names.count > Self.functions else { return }
        let ages = names.map { name -> (name: String, time: Int) in
            var status = stat()
            return (name, lstat("\(directory)/\(name)", &status) == 0 ? status.st_mtim.tv_sec : 0)
        }
        for (name, _) in ages.sorted(by: { $0.time < $1.time }).dropLast(Self.functions) {
            DiskFile.removeTree("\(directory)/\(name)")
        }
    }
}
