import Testing

@testable import Router

/// What a client may send of the frames that nothing else bounds.
@Suite struct UpdateAllowanceTests {
    private static let update: [UInt8] = [0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 1]

    private func receive(_ allowance: inout UpdateAllowance, _ bytes: [UInt8], by size: Int) -> Bool {
        var isTaken = true
        for start in stride(from: 0, to: bytes.count, by: size) {
            let piece = bytes[start..<min(bytes.count, start + size)]
            isTaken = piece.withUnsafeBytes { allowance.received($0) }
        }
        return isTaken
    }

    @Test(arguments: [1, 2, 9, 13, 100])
    func `frames are counted however they are cut, and only those`(size: Int) {
        var allowance = UpdateAllowance(3)
        // A preface, and DATA that looks like frames.
        let data: [UInt8] = [0, 0, 26, 0, 0, 0, 0, 0, 1]
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let parts = [
            [UInt8](repeating: 8, count: 24), data, Self.update, Self.update, Self.update, Self.update, settings,
            Self.update,
        ]
        let three = receive(&allowance, parts.flatMap(\.self), by: size)
        let four = receive(&allowance, Self.update, by: size)
        #expect(three && !four)
    }

    @Test func `what is sent is a reason for more, but none is saved beyond the limit`() {
        var allowance = UpdateAllowance(15, preface: 0)
        let ten = (0..<10).flatMap { _ in Self.update }
        for _ in 0..<100 {
            let isTaken = receive(&allowance, ten, by: 130)
            #expect(isTaken)
            allowance.sent(9)
        }
        allowance.sent(1 << 20)
        let ones = receive(&allowance, ten, by: 130)
        let twice = receive(&allowance, ten, by: 130)
        #expect(ones && !twice)
    }

    @Test func `a client that gives leave for each kibibyte is served`() {
        var allowance = UpdateAllowance(2_000, preface: 0)
        for _ in 0..<10_000 {
            // A frame as the Router sends them.
            allowance.sent(9)
            allowance.sent(16_384)
            let frames = (0..<16).flatMap { _ in Self.update }
            let isTaken = receive(&allowance, frames, by: frames.count)
            #expect(isTaken)
        }
    }
}
