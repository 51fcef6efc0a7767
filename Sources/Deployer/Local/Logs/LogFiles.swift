import Contract
import Glibc

/// The files of one instance's log.
///
/// conmon writes to `log`; when that is full, it puts an empty file in its place, and what was there would be gone. So the file has a second
/// name, `log.<generation>`: the one of the present file, and the one of the file before it. Which is which follows from the names and
/// inodes alone, so that nothing has to be remembered over a restart.
struct LogFiles: Sendable, Hashable {
    /// What conmon writes to.
    let current: String

    /// The present generation and what is known about it.
    struct Generations: Sendable, Hashable {
        /// Numbers that have a file, rising; the last is the present one.
        var numbers: [Int]
        /// How many were thrown away before those.
        var dropped: Int { numbers.first ?? 0 }
    }

    init(_ current: String) { self.current = current }

    /// The file of a generation.
    func path(_ generation: Int) -> String { "\(current).\(generation)" }

    /// The generations that have a file.
    var generations: Generations {
        guard let slash = current.lastIndex(of: "/") else { return Generations(numbers: []) }
        let name = current[current.index(after: slash)...] + "."
        let numbers = DiskFile.names(in: String(current[..<slash])).compactMap { entry in
            entry.hasPrefix(name) ? Int(entry.dropFirst(name.count)) : nil
        }
        return Generations(numbers: numbers.sorted())
    }

    /// Gives the present file its second name, if it has none, and drops all but the one before it. Idempotent.
    func keep() {
        let known = generations.numbers
        guard let file = Self.identity(of: current) else { return }
        let last = known.last
        if let last, Self.identity(of: path(last)) == file { return drop(known.dropLast(2)) }
        guard link(current, path((last ?? -1) + 1)) == 0 else { return }
        drop(known.dropLast(1))
    }

    private func drop(_ generations: some Sequence<Int>) {
        for generation in generations { unlink(path(generation)) }
    }

    /// What tells a file from all others; `nil` when there is none.
    static func identity(of path: String) -> [UInt]? {
        var status = stat()
        return stat(path, &status) == 0 ? [UInt(status.st_dev), UInt(status.st_ino)] : nil
    }
}
