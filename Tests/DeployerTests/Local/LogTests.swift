import Contract
import Foundation
import Testing

@testable import Deployer

@Suite struct LogTests {
    @Test func `conmon's lines become log lines, their parts put together`() {
        var parser = LogParser(instance: "i", revision: 3)
        let text = """
            2026-11-22T18:29:54.522999999+01:00 stdout F hello  world
            2026-11-22T17:29:54.600000000+00:00 stdout P one
            2026-11-22T17:29:54.700000000+00:00 stderr F
            2026-11-22T17:29:54.800000000+00:00 stdout F  two
            nonsense

            """
        // Fed byte by byte: lines may be cut anywhere.
        let lines = text.utf8.flatMap { parser.feed([$0]) }
        #expect(lines.map(\.message) == ["hello  world", "one two"])
        #expect(lines.map(\.time.description) == ["2026-11-22T17:29:54.522Z", "2026-11-22T17:29:54.800Z"])
        #expect(lines.allSatisfy { $0.instance == "i" && $0.revision == 3 && $0.stream == "stdout" })
        var empty = LogParser(instance: "i", revision: 3)
        #expect(empty.feed(Array("2026-11-22T17:29:54.700000000+00:00 stderr F \n".utf8)).map(\.message) == [""])
    }

    @Test func `a message without an end does not grow without bounds`() {
        var parser = LogParser(instance: "i", revision: 1)
        let part = "2026-11-22T17:29:54.600000000+00:00 stdout P " + String(repeating: "x", count: 8000) + "\n"
        let lines = (0..<20).flatMap { _ in parser.feed(Array(part.utf8)) }
        #expect(lines.count == 2 && lines.allSatisfy { $0.message.utf8.count <= LogParser.longestMessage + 8000 })
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00.000000000+00:00", 0), ("2000-02-29T12:00:00.5+00:00", 951_825_600_000),
        ("2026-03-01T00:00:00.123456789-02:30", 1_772_332_200_123), ("2026-11-22T17:29:54+00:00", 1_795_368_594_000),
    ])
    func `conmon's times are read to the millisecond`(text: String, milliseconds: Int64) {
        #expect(Timestamp(logTime: ArraySlice(text.utf8))?.milliseconds == milliseconds)
    }

    @Test(arguments: ["", "now", "2026-13-22T17:29:54.0+00:00", "2026-11-22T17:29:xx.000000000+00:00"])
    func `what is no time is none`(text: String) {
        #expect(Timestamp(logTime: ArraySlice(text.utf8)) == nil)
    }

    @Test func `the last lines are found from the end, and reading goes on when the file starts anew`() throws {
        try withDirectory { directory in
            let path = directory + "/log"
            func line(_ text: String) -> String { "2026-11-22T17:29:54.600000000+00:00 stdout F \(text)\n" }
            let many = (0..<5000).map { line("line \($0)") }.joined()
            try Data(many.utf8).write(to: URL(filePath: path))
            var reader = LogReader(path, instance: "i", revision: 1)
            #expect(reader.last(2).map(\.message) == ["line 4998", "line 4999"])
            #expect(reader.next().isEmpty)
            let handle = try #require(FileHandle(forWritingAtPath: path))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data(line("more").utf8))
            let replacement = path + ".tmp"
            try Data(line("new file").utf8).write(to: URL(filePath: replacement))
            #expect(rename(replacement, path) == 0)
            #expect(reader.next().map(\.message) == ["more", "new file"])
            #expect(LogReader.lastLines(of: path, count: 5).count == 1)
            #expect(LogReader.lastLines(of: directory + "/none", count: 5).isEmpty)
        }
    }

    @Test func `the logs of the last few ended instances are kept`() throws {
        try withDirectory { directory in
            let archive = LogArchive(directory: directory + "/logs", perFunction: 2)
            try DiskFile.directory(directory + "/logs")
            let function = RevisionID(function: try FunctionName("hello"), number: 4)
            let image = PinnedImage(
                registry: "r", repository: "x", digest: Digest(bytes: [UInt8](repeating: 0, count: 32)))
            for number in 1...3 {
                let record = InstanceRecord(
                    id: "00000000000\(number)",
                    workload: Workload(id: .revision(function), image: image, spec: FunctionSpec()),
                    userID: 1, networkSlot: nil, addressPool: nil,
                    created: Timestamp(milliseconds: 1_700_000_000_000 + Int64(number)))
                try Data("x".utf8).write(to: URL(filePath: directory + "/log"))
                archive.keep(directory + "/log", of: record)
            }
            let entries = archive.entries(of: .revision(function))
            #expect(entries.map(\.instance) == ["000000000002", "000000000003"])
            #expect(entries.allSatisfy { $0.revision == 4 })
            #expect(!DiskFile.exists(directory + "/log"))
        }
    }

    private func line(_ text: String, _ stream: String = "stdout") -> String {
        "2026-11-22T17:29:54.600000000+00:00 \(stream) F \(text)\n"
    }

    /// What conmon does when its file is full.
    private func replace(_ path: String, by text: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path + ".tmp"))
        #expect(rename(path + ".tmp", path) == 0)
    }

    @Test func `a full file is kept until the next one is full too, and is read before it`() throws {
        try withDirectory { directory in
            let path = directory + "/log"
            let files = LogFiles(path)
            files.keep()
            #expect(files.generations.numbers.isEmpty)
            try replace(path, by: line("a1") + line("a2"))
            files.keep()
            files.keep()
            #expect(files.generations.numbers == [0])
            var follower = LogReader(path, instance: "i", revision: 1, fileBytes: 2 << 20)
            #expect(follower.last(1).map(\.message) == ["a2"])
            try replace(path, by: line("b1") + line("b2"))
            #expect(LogReader.lastLines(of: path, count: 9).map(\.message) == ["a1", "a2", "b1", "b2"])
            files.keep()
            #expect(files.generations.numbers == [0, 1])
            #expect(LogReader.lastLines(of: path, count: 3).map(\.message) == ["a2", "b1", "b2"])
            try replace(path, by: line("c1"))
            files.keep()
            #expect(files.generations.numbers == [1, 2])
            #expect(follower.next().map(\.message) == ["b1", "b2", "c1"])
            #expect(follower.next().isEmpty)
            for text in ["d1", "e1", "f1"] {
                try replace(path, by: line(text))
                files.keep()
            }
            let after = follower.next()
            #expect(
                after.map(\.stream) == ["kiln", "stdout", "stdout"] && after.map(\.message).suffix(2) == ["e1", "f1"])
            #expect(after[0].message.contains("2 MiB are missing"), "\(after[0].message)")
            var whole = LogReader(path, instance: "i", revision: 1, fileBytes: 2 << 20)
            let all = whole.last(100)
            #expect(all.map(\.message).suffix(2) == ["e1", "f1"] && all.count == 3)
            #expect(all[0].stream == "kiln" && all[0].message.contains("8 MiB, are not kept"), "\(all[0].message)")
            #expect(LogReader.lastLines(of: path, count: 100).count == 2)
        }
    }

    @Test func `a flood is read piece by piece`() throws {
        try withDirectory { directory in
            let path = directory + "/log"
            try Data().write(to: URL(filePath: path))
            var reader = LogReader(path, instance: "i", revision: 1)
            #expect(reader.last(10).isEmpty)
            try Data((0..<20_000).map { line("line \($0)") }.joined().utf8).write(to: URL(filePath: path))
            // Written in place of the file that is open: the reader finds another inode.
            var lines: [LogLine] = []
            var pieces = 0
            repeat {
                lines += reader.next(limit: 100_000)
                pieces += 1
            } while reader.wasCutShort
            #expect(lines.count == 20_000 && pieces > 5)
        }
    }

    @Test func `lines of any length and any bytes are shown, in pieces if need be`() {
        var parser = LogParser(instance: "i", revision: 1)
        let head = Array("2026-11-22T17:29:54.600000000+00:00 stdout P ".utf8)
        let part = [UInt8](repeating: UInt8(ascii: "x"), count: 8192)
        var lines: [LogLine] = []
        for _ in 0..<1280 { lines += parser.feed(head + part + [10]) }
        lines += parser.feed(Array("2026-11-22T17:29:54.600000000+00:00 stdout F end\n".utf8))
        #expect(lines.reduce(0) { $0 + $1.message.utf8.count } == (10 << 20) + 3)
        #expect(lines.allSatisfy { $0.message.utf8.count <= LogParser.longestMessage + 8192 })
        var binary = parser.feed(
            Array("2026-11-22T17:29:54.600000000+00:00 stderr F ".utf8) + [0, 0xFF, 0xFE, 0x1B, 13, 10])
        #expect(binary.popLast()?.message == "\0\u{FFFD}\u{FFFD}\u{1B}\r")
    }

    private func withDirectory(_ body: (String) throws -> Void) throws {
        let directory = NSTemporaryDirectory() + "/kiln-logs-\(UUID())"
        try DiskFile.directory(directory)
        defer { DiskFile.removeTree(directory) }
        try body(directory)
    }
}

extension LocalContainerTests {
    @Suite struct FollowedLogTests {
        @Test func `following shows what was printed, what is printed, and the instances to come`() async throws {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload("console.log('started');" + TestImages.probe)
                try await backend.rollOut(workload)
                let name = try FunctionName("probe")
                let stream = await backend.lines(of: name, LogQuery(tail: 10, follow: true))
                var lines: [LogLine] = []
                var step = 0
                for await line in stream {
                    lines.append(line)
                    switch (line.message, step) {
                    case ("started", 0):
                        step = 1
                        _ = try await fixture.inside(workload.id, "console.log('first'); console.error('second')")
                    case ("second", 1):
                        step = 2
                        // Times are in milliseconds: the next line has to be of a later one.
                        try await Task.sleep(for: .milliseconds(20))
                        _ = try? await fixture.inside(workload.id, "console.log('last'); Deno.exit(3)")
                    case ("started", 2): step = 3
                    default: break
                    }
                    if step == 3 { break }
                }
                #expect(lines.map(\.message) == ["started", "first", "second", "last", "started"])
                #expect(lines.map(\.stream) == ["stdout", "stdout", "stderr", "stdout", "stdout"])
                #expect(Set(lines.map(\.instance)).count == 2)
                let later = lines[3].time
                var since: [String] = []
                for await line in await backend.lines(of: name, LogQuery(since: later, tail: 10)) {
                    since.append(line.message)
                }
                #expect(since == ["last", "started"])
                var tail: [String] = []
                for await line in await backend.lines(of: name, LogQuery(tail: 2)) {
                    tail.append(line.message)
                }
                #expect(tail == ["last", "started"])
            }
        }
    }
}
