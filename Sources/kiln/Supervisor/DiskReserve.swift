import Deployer
import Glibc
import Logging

/// A file in the state directory that only takes room. When the disk is full otherwise, it is given up: with its bytes the platform
/// starts, records and restarts instances, while it refuses deploys. When there is room again, it is made again.
struct DiskReserve: Sendable {
    /// What the reserve holds.
    static let size: Int64 = 16 << 20
    /// With less than this free the reserve is given up.
    static let emergency: Int64 = 8 << 20

    private let path: String
    private let directory: String
    private let minimum: Int64

    /// The reserve of the state directory `directory`; made only when more than `minimum` bytes stay free.
    init(directory: String, minimum: Int64) {
        self.directory = directory
        self.minimum = minimum
        path = directory + "/reserve"
    }

    /// Gives the reserve up if the disk is full, makes it if there is room. Returns what was done, as a sentence.
    @discardableResult
    func update() -> String? {
        guard let free = FreeSpace.bytes(at: directory) else { return nil }
        if free < Self.emergency {
            guard unlink(path) == 0 else { return nil }
            return "The disk of \(directory) is full: its reserve of \(Self.size >> 20) MiB was given up. Make room."
        }
        guard free >= minimum + Self.size, access(path, F_OK) != 0 else { return nil }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        guard posix_fallocate(descriptor, 0, off_t(Self.size)) == 0 else {
            unlink(path)
            return nil
        }
        return nil
    }

    /// Looks after the reserve every two seconds until cancelled, and says when the disk gets too full for deploys and when it has room
    /// again.
    func watch(_ logger: Logger) async {
        var wasLow = false
        while !Task.isCancelled {
            if let sentence = update() { logger.error("\(sentence)") }
            let free = FreeSpace.bytes(at: directory) ?? .max
            if (free < minimum) != wasLow {
                wasLow.toggle()
                let facts: Logger.Metadata = ["free": "\(free >> 20) MiB", "needed": "\(minimum >> 20) MiB"]
                if wasLow {
                    logger.warning("the disk is nearly full; deploys are refused until there is room", metadata: facts)
                } else {
                    logger.notice("the disk has room again; deploys are taken", metadata: facts)
                }
            }
            try? await Task.sleep(for: .seconds(2))
        }
    }
}
