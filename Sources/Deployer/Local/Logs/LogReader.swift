import Contract
import Glibc

/// Reads one instance's log file from some point on, and goes on as it grows.
///
/// When the file is full, conmon puts a new one in its place: the rest of the old one is read first. A descriptor stays open, so
/// that the last lines are read also when the instance's directory is gone.
struct LogReader: ~Copyable {
    private let path: String
    private var parser: LogParser
    private var descriptor: Int32 = -1

    /// A reader of the file at `path`, which need not exist yet.
    init(_ path: String, instance: String, revision: Int) {
        self.path = path
        parser = LogParser(instance: instance, revision: revision)
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether there has been a file to read from.
    var hasBegun: Bool { descriptor >= 0 }

    /// The last `count` lines there are now.
    mutating func last(_ count: Int) -> [LogLine] {
        if descriptor < 0 { descriptor = open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0, count > 0 else { return [] }
        lseek(descriptor, start(ofLast: count), SEEK_SET)
        return Array(next().suffix(count))
    }

    /// The lines that have come since the last call.
    mutating func next() -> [LogLine] {
        var lines = descriptor >= 0 ? read() : []
        let current = open(path, O_RDONLY | O_CLOEXEC)
        guard current >= 0 else { return lines }
        if descriptor >= 0, Self.identity(current) == Self.identity(descriptor) {
            close(current)
            return lines
        }
        if descriptor >= 0 { close(descriptor) }
        descriptor = current
        lines += read()
        return lines
    }

    /// The last `count` lines of the file at `path`, without saying whose they are.
    static func lastLines(of path: String, count: Int) -> [LogLine] {
        var reader = LogReader(path, instance: "", revision: 0)
        return reader.last(count)
    }

    private mutating func read() -> [LogLine] {
        var lines: [LogLine] = []
        while true {
            let bytes = Self.chunk(of: descriptor, at: nil)
            guard !bytes.isEmpty else { return lines }
            lines += parser.feed(bytes)
        }
    }

    /// Where the last `count` lines begin.
    private func start(ofLast count: Int) -> off_t {
        var position = lseek(descriptor, 0, SEEK_END)
        var breaks = 0
        while position > 0 {
            let from = max(0, position - off_t(Self.chunkSize))
            let bytes = Self.chunk(of: descriptor, at: from).prefix(Int(position - from))
            for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "\n") {
                breaks += 1
                if breaks > count { return from + off_t(index) + 1 }
            }
            position = from
        }
        return 0
    }

    private static let chunkSize = 64 << 10

    private static func chunk(of descriptor: Int32, at offset: off_t?) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: chunkSize) { buffer, count in
            let result =
                if let offset {
                    pread(descriptor, buffer.baseAddress, buffer.count, offset)
                } else {
                    Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                }
            count = max(0, result)
        }
    }

    private static func identity(_ descriptor: Int32) -> [UInt] {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return [] }
        return [UInt(status.st_dev), UInt(status.st_ino)]
    }
}
