import Contract
import FoundationEssentials
import Glibc

/// What is on disk of an instance before anything of it exists elsewhere: `instances/<id>/instance.json`.
///
/// It is not synced to the disk. What it announces lives in the kernel and in `/run` and is gone after a loss of power, whereas a
/// file written before a crash of the Deployer is read after it; a directory without a readable record is swept away.
struct InstanceRecord: Codable, Sendable, Hashable {
    /// Twelve random hexadecimal digits.
    var id: String
    /// What it runs.
    var workload: Workload
    /// Its user and group.
    var userID: UInt32
    /// The number of its network slot; `nil` without a network.
    var networkSlot: Int?
    /// The address pool that the slot's addresses are of.
    var addressPool: String?
    /// When it was made.
    var created: Timestamp

    /// What log lines name as revision; 0 for Kiln's own.
    var revisionNumber: Int {
        switch workload.id {
        case .revision(let revision): revision.number
        case .checker: 0
        }
    }

    /// The record in `paths`, when there is one that can be read.
    static func read(_ paths: InstancePaths) -> InstanceRecord? {
        guard let text = DiskFile.text(paths.record) else { return nil }
        return try? JSONDecoder().decode(InstanceRecord.self, from: Data(text.utf8))
    }

    /// Makes the instance's directory with the record in it; there is never one of that name without.
    func makeDirectory(in instances: String) throws {
        let draft = InstancePaths(instances: instances, id: Self.draftPrefix + id)
        try DiskFile.directory(draft.directory)
        try DiskFile.write(JSONEncoder().encode(self), to: draft.record)
        guard rename(draft.directory, InstancePaths(instances: instances, id: id).directory) == 0 else {
            throw DeployerError.system("make the directory of instance \(id)", code: .state)
        }
    }

    /// What the names of directories start with that are being made.
    static let draftPrefix = ".new-"
}
