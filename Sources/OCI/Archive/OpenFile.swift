import Glibc

/// The owner of one open file.
struct OpenFile: ~Copyable {
    let descriptor: Int32
    private let path: String

    /// Takes over `descriptor`; `path` names it in errors.
    init(owning descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens a file to read it.
    init(reading path: String) throws(OCIError) {
        try self.init(path, O_RDONLY, 0)
    }

    /// Opens a directory.
    init(directory path: String) throws(OCIError) {
        try self.init(path, O_RDONLY | O_DIRECTORY, 0)
    }

    /// Makes a new file; throws if there is one.
    init(creating path: String) throws(OCIError) {
        try self.init(path, O_WRONLY | O_CREAT | O_EXCL, 0o644)
    }

    private init(_ path: String, _ flags: Int32, _ mode: mode_t) throws(OCIError) {
        let descriptor = open(path, flags | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            throw errno == ENOENT
                ? OCIError(.notFound, "There is no file \(path).") : .system("\(path) cannot be opened")
        }
        self.init(owning: descriptor, path: path)
    }

    deinit { close(descriptor) }

    /// The file's size in bytes.
    func size() throws(OCIError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("\(path) cannot be examined") }
        return Int(status.st_size)
    }

    /// Reads the next bytes into `buffer`; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(OCIError) -> Int {
        while true {
            let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            guard errno == EINTR else { throw .system("\(path) cannot be read") }
        }
    }

    /// Reads what is at `offset` into `buffer`; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(OCIError) -> Int {
        while true {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
            if count >= 0 { return count }
            guard errno == EINTR else { throw .system("\(path) cannot be read") }
        }
    }

    /// The bytes of `range`; throws when the file ends before.
    func bytes(_ range: Range<Int>) throws(OCIError) -> [UInt8] {
        var filled = 0
        var number: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            while filled < range.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
                let read = pread(descriptor, rest.baseAddress, rest.count, off_t(range.lowerBound + filled))
                if read < 0, errno == EINTR { continue }
                guard read > 0 else {
                    number = read < 0 ? errno : 0
                    break
                }
                filled += read
            }
            count = filled
        }
        guard filled == range.count else {
            throw number == 0
                ? OCIError(
                    .mismatch, "\(path) ends after \(range.lowerBound + filled) bytes, before \(range.upperBound).")
                : .system("\(path) cannot be read", number)
        }
        return bytes
    }

    /// Reads the whole file block by block; returns its size.
    func forEachBlock(_ body: (UnsafeRawBufferPointer) throws(OCIError) -> Void) throws(OCIError) -> Int {
        try Self.forEachBlock(reading: { (buffer, _) throws(OCIError) in try read(into: buffer) }, body)
    }

    /// Shows `body` block by block what `read`, which is given the offset, reads until it reads nothing; returns how much that was.
    static func forEachBlock(
        reading read: (UnsafeMutableRawBufferPointer, Int) throws(OCIError) -> Int,
        _ body: (UnsafeRawBufferPointer) throws(OCIError) -> Void
    ) throws(OCIError) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var total = 0
        while true {
            let count = try read(buffer, total)
            guard count > 0 else { return total }
            total += count
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Writes all of `bytes`.
    func write(_ bytes: UnsafeRawBufferPointer) throws(OCIError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("\(path) cannot be written") }
            rest = rest.dropFirst(count)
        }
    }

    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(OCIError) {
        var written = 0
        while written < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
            let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + written))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("\(path) cannot be written") }
            written += count
        }
    }

    /// Waits until the content is on the disk.
    func sync() throws(OCIError) {
        guard fsync(descriptor) == 0 else { throw .system("\(path) cannot be synced") }
    }
}

extension OCIError {
    /// A failed system call; `what` begins the sentence, `errno` ends it.
    static func system(_ what: String, _ number: Int32 = errno) -> OCIError {
        OCIError(
            number == ENOSPC || number == EDQUOT ? .diskFull : .file, "\(what): \(String(cString: strerror(number))).")
    }
}
