import Testing

@testable import Contract

@Suite struct TrafficSplitTests {
    private func split(_ shares: [Int: Int]) -> TrafficSplit {
        TrafficSplit(shares: shares.map { .init(revision: $0.key, percent: $0.value) })
    }

    @Test func `shares are read in any order and are the same split`() throws {
        #expect(try TrafficGoal("7:90,8:10") == .split(split([7: 90, 8: 10])))
        #expect(try TrafficGoal("8:10,7:90") == TrafficGoal("7:90,8:10"))
        #expect(try TrafficGoal("8:100") == .all(8))
        #expect(try TrafficGoal("7:100,8:0") == .split(split([7: 100, 8: 0])))
    }

    @Test(arguments: [
        "", "7", "7:", ":90", "7:90", "7:90,8:11", "7:50,7:50", "0:100", "7:-10,8:110", "7:90,8:10,", "7:90 ,8:10",
        "7:1e2",
        "7:4294967296,8:10", "99999999999999999999:100", "1:10,2:10,3:10,4:10,5:10,6:10,7:10,8:10,9:10,10:10,11:0",
    ])
    func `what does not come to 100, or is no list of shares, is refused with a sentence`(_ text: String) {
        let error = #expect(throws: InvalidOption.self) { try TrafficGoal(text) }
        #expect(error?.description.hasPrefix("Option 'to' cannot be '") == true)
    }

    @Test func `what was live stays so as long as it gets anything, else it is what gets most`() {
        #expect(split([7: 1, 8: 99]).live(before: 7) == 7)
        #expect(split([7: 0, 8: 100]).live(before: 7) == 8)
        #expect(split([7: 40, 8: 60]).live(before: 3) == 8)
        #expect(split([7: 50, 8: 50]).live(before: nil) == 7)
    }

    @Test func `a revision that takes the place of another has its share`() {
        #expect(split([7: 90, 8: 10]).replacing(7, by: 9) == split([8: 10, 9: 90]))
        #expect("\(TrafficSplit(live: 7, canary: 8, percent: 5))" == "r7=95% r8=5%")
    }
}
