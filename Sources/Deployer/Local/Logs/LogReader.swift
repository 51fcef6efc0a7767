import Contract
import Glibc

/// Reads one instance's log from some point on, and goes on as it grows, over the files that follow one another.
///
/// The present file stays open until all of it is read, also when it has been replaced or the instance's directory is gone. When more than
/// one file has come and gone meanwhile, a line of the stream `kiln` says how much is missing.
struct LogReader: ~Copyable {
    private let files: LogFiles
    private let source: LogParser.Source
    private var parser: LogParser
    private var descriptor: Int32 = -1
    /// Which generation ``descriptor`` is; -1 for a file without a second name.
    private var generation = -1
    private let fileBytes: Int64

    /// A reader of the log at `path`, which need not exist yet; `fileBytes` is how long each of its files may become.
    init(_ path: String, instance: String, revision: Int, fileBytes: Int64 = 0) {
        files = LogFiles(path)
        source = LogParser.Source(instance: instance, revision: revision)
        parser = LogParser(source)
        self.fileBytes = fileBytes
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether the last ``next(limit:)`` left something unread.
    private(set) var wasCutShort = false

    /// Whether there has been a file to read from.
    var hasBegun: Bool { descriptor >= 0 }

    /// The last `count` lines there are now; the reader is at the end then.
    ///
    /// When there are fewer because earlier ones were thrown away, the first line says so.
    mutating func last(_ count: Int) -> [LogLine] {
        let before = openNewest()
        guard descriptor >= 0 else { return [] }
        guard count > 0 else {
            lseek(descriptor, 0, SEEK_END)
            return []
        }
        lseek(descriptor, Self.start(ofLast: count, in: descriptor), SEEK_SET)
        var lines = rest()
        var dropped = generation > 0 ? generation : 0
        if lines.count < count, let before {
            let earlier = open(files.path(before), O_RDONLY | O_CLOEXEC)
            if earlier >= 0 {
                defer { close(earlier) }
                dropped = before
                lseek(earlier, Self.start(ofLast: count - lines.count, in: earlier), SEEK_SET)
                var parser = LogParser(source)
                lines = Self.read(earlier, &parser, limit: .max).suffix(count - lines.count) + lines
            }
        }
        guard lines.count < count, dropped > 0, let first = lines.first else { return lines.suffix(count) }
        return [source.remark("Earlier lines, about \(size(dropped)), are not kept any more.", at: first.time)] + lines
    }

    /// Lines that have come since the last call: those of about `limit` bytes, so that a flood is read piece by piece.
    mutating func next(limit: Int = 256 << 10) -> [LogLine] {
        var lines: [LogLine] = []
        wasCutShort = false
        if descriptor < 0 {
            _ = openNewest(fromStart: true)
            guard descriptor >= 0 else { return [] }
        }
        var room = limit
        while true {
            let bytes = Self.chunk(of: descriptor)
            guard bytes.isEmpty else {
                lines += parser.feed(bytes)
                room -= bytes.count
                wasCutShort = room <= 0
                guard room > 0 else { return lines }
                continue
            }
            guard let gap = openFollowing() else { return lines }
            if gap > 0 {
                parser = LogParser(source)
                lines.append(source.remark("About \(size(gap)) are missing here: printed faster than they were read."))
            }
        }
    }

    /// The last `count` lines of the log at `path`, without saying whose they are.
    static func lastLines(of path: String, count: Int) -> [LogLine] {
        var reader = LogReader(path, instance: "", revision: 0)
        return reader.last(count).filter { $0.stream != LogParser.Source.remarks }
    }

    /// Opens the present file; returns the generation before it, when it has a file.
    private mutating func openNewest(fromStart: Bool = false) -> Int? {
        let made = open(files.current, O_RDONLY | O_CLOEXEC)
        guard made >= 0 else { return nil }
        if descriptor >= 0 { close(descriptor) }
        descriptor = made
        let numbers = files.generations.numbers
        // conmon may have begun a file that has no second name yet.
        let isKept = numbers.last.map { LogFiles.identity(of: files.path($0)) == Self.identity(made) } ?? false
        generation = isKept ? numbers.last ?? 0 : (numbers.last ?? -1) + 1
        return isKept ? numbers.dropLast().last : numbers.last
    }

    /// Opens the file after the present one; returns how many are missing in between, `nil` when there is none yet.
    private mutating func openFollowing() -> Int? {
        guard LogFiles.identity(of: files.current) != Self.identity(descriptor) else { return nil }
        let numbers = files.generations.numbers
        if let following = numbers.first(where: { $0 > generation }),
            LogFiles.identity(of: files.path(following)) != Self.identity(descriptor)
        {
            let made = open(files.path(following), O_RDONLY | O_CLOEXEC)
            guard made >= 0 else { return nil }
            close(descriptor)
            descriptor = made
            defer { generation = following }
            return following - generation - 1
        }
        let before = generation
        let made = open(files.current, O_RDONLY | O_CLOEXEC)
        guard made >= 0 else { return nil }
        close(descriptor)
        descriptor = made
        generation = max(before, numbers.last ?? -1) + 1
        return generation - before - 1
    }

    private mutating func rest() -> [LogLine] { Self.read(descriptor, &parser, limit: .max) }

    private func size(_ generations: Int) -> String {
        let bytes = Int64(generations) * fileBytes
        return fileBytes == 0 ? "\(generations) files" : bytes < 1 << 20 ? "\(bytes >> 10) KiB" : "\(bytes >> 20) MiB"
    }

    private static func read(_ descriptor: Int32, _ parser: inout LogParser, limit: Int) -> [LogLine] {
        var lines: [LogLine] = []
        while true {
            let bytes = chunk(of: descriptor)
            guard !bytes.isEmpty else { return lines }
            lines += parser.feed(bytes)
        }
    }

    /// Where the last `count` lines begin.
    private static func start(ofLast count: Int, in descriptor: Int32) -> off_t {
        var position = lseek(descriptor, 0, SEEK_END)
        var breaks = 0
        while position > 0 {
            let from = max(0, position - off_t(chunkSize))
            let bytes = chunk(of: descriptor, at: from).prefix(Int(position - from))
            for index in bytes.indices.reversed() where bytes[index] == UInt8(ascii: "\n") {
                breaks += 1
                if breaks > count { return from + off_t(index) + 1 }
            }
            position = from
        }
        return 0
    }

    private static let chunkSize = 64 << 10

    private static func chunk(of descriptor: Int32, at offset: off_t? = nil) -> [UInt8] {
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
