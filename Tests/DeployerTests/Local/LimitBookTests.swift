import Contract
import Testing

@testable import Deployer

/// What is told of limits that the operating system holds instances to.
@Suite struct LimitBookTests {
    private let now = Timestamp(milliseconds: 0)
    private static let size: Int64 = 64 << 20

    private func warnings(_ book: LimitBook) -> [String] {
        book.warnings(memory: 256 << 20)
    }

    @Test func `nothing is told of an instance within its limits`() {
        var book = LimitBook()
        let reading = LimitReading(
            openFiles: 100, openFilesLimit: 4096, temporaryBytes: Self.size, temporaryIsFull: false)
        #expect(book.note(reading, of: "a", at: now).isEmpty)
        #expect(book.isEmpty && warnings(book).isEmpty)
    }

    @Test func `what the kernel counts is counted once, for each instance`() {
        var book = LimitBook()
        #expect(book.note(LimitReading(refusedTasks: 2, tasks: 100), of: "a", at: now) == [.tasks: 2])
        #expect(book.note(LimitReading(refusedTasks: 2, tasks: 100), of: "a", at: now).isEmpty)
        #expect(book.note(LimitReading(refusedTasks: 1, tasks: 100), of: "b", at: now) == [.tasks: 1])
        #expect(book.note(LimitReading(refusedTasks: 5, tasks: 100), of: "a", at: now) == [.tasks: 3])
        book.forget("a")
        #expect(book.note(LimitReading(refusedTasks: 4, tasks: 100), of: "c", at: now) == [.tasks: 4])
        #expect(warnings(book).count == 1)
        #expect(warnings(book)[0].contains("10 times") && warnings(book)[0].contains("it may have 100"))
        #expect(warnings(book)[0].contains("--max-tasks"))
    }

    @Test func `files and tmp count each time that they come up to the limit`() {
        var book = LimitBook()
        func reading(_ files: UInt64, full: Bool) -> LimitReading {
            LimitReading(openFiles: files, openFilesLimit: 1000, temporaryBytes: Self.size, temporaryIsFull: full)
        }
        #expect(book.note(reading(949, full: false), of: "a", at: now).isEmpty)
        #expect(book.note(reading(950, full: true), of: "a", at: now) == [.openFiles: 1, .temporary: 1])
        #expect(book.note(reading(1000, full: true), of: "a", at: now).isEmpty)
        #expect(book.note(reading(10, full: false), of: "a", at: now).isEmpty)
        #expect(book.note(reading(1000, full: false), of: "a", at: now) == [.openFiles: 1])
        #expect(warnings(book)[0].contains("1000, 2 times") && warnings(book)[0].contains("--max-open-files"))
        #expect(warnings(book)[1].contains("once, at ") && warnings(book)[1].contains("64 MiB"))
        #expect(warnings(book)[1].contains("--max-tmp"))
    }

    @Test func `tmp that is as small as it is for little memory is not the operator's to raise`() {
        var book = LimitBook()
        _ = book.note(LimitReading(temporaryBytes: 32 << 20, temporaryIsFull: true), of: "a", at: now)
        let warning = book.warnings(memory: 64 << 20)[0]
        #expect(warning.contains("32 MiB") && warning.contains("memory=") && !warning.contains("--max-tmp"))
    }
}
