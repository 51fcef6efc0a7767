/// Gathers bytes: the first of them in memory, and what is beyond that in a file.
package struct SpoolWriter: Sendable {
    private let directory: SpoolDirectory?
    private var room: Int
    private var file: SpoolFile?
    private var end = 0
    private var pending: [UInt8] = []
    private var start: Int?

    /// A writer that keeps up to `memory` bytes in memory, in all its parts together, and the others in `directory`; without one
    /// everything is kept in memory.
    package init(_ directory: SpoolDirectory?, memory: Int) {
        self.directory = directory
        room = memory
    }

    /// Bytes of the part so far.
    package private(set) var count = 0

    /// Adds `bytes` to the part. Throws `diskFull`, and `file` for what else the disk has.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) throws(OCIError) {
        count += bytes.count
        if start == nil {
            guard let directory, count > room else {
                pending.append(contentsOf: bytes)
                return
            }
            let file: SpoolFile
            if let open = self.file { file = open } else { file = try directory.open() }
            self.file = file
            start = end
            try pending.withRawBytes { (bytes) throws(OCIError) in try file.write(bytes, at: end) }
            end += pending.count
            pending = []
        }
        try file?.write(bytes, at: end)
        end += bytes.count
    }

    /// Ends the part and begins the next one.
    package mutating func take() -> BlobContent {
        defer {
            count = 0
            start = nil
            pending = []
        }
        if let start, let file { return .spooled(SpooledBytes(file: file, range: start..<end)) }
        room -= count
        return .bytes(pending)
    }
}
