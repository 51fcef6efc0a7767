import Deployer
import FoundationEssentials

/// Looks at the disk before a start.
enum DiskSpace {
    /// Throws when the disk of the state directory has less than `minimum` bytes free and there is no platform on it yet: the base image
    /// needs about half of the default. One that is there starts on a full disk too, unless not even its few small files fit.
    static func require(_ minimum: Int64, in state: StateDirectory) throws {
        guard let free = FreeSpace.bytes(at: state.path) else { return }
        let isNew = !FileManager.default.fileExists(atPath: state.database)
        guard free >= (isNew ? minimum : 1 << 20) else {
            throw StartError(
                "The disk of the state directory \(state.path) has \(free >> 20) MiB free; "
                    + (isNew ? "a new platform needs \(minimum >> 20) MiB" : "Kiln needs at least 1 MiB to start")
                    + ". Make room, or choose another directory with --state-dir"
                    + (isNew ? ", or lower --min-free-disk." : "."))
        }
        if free < minimum {
            Console.note(
                "The disk of the state directory \(state.path) has \(free >> 20) MiB free: deploys are refused below \(minimum >> 20) MiB "
                    + "(--min-free-disk).")
        }
    }
}
