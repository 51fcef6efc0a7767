import Contract
import Testing

@testable import Deployer

@Suite struct CanaryJudgeTests {
    /// What is said of canaries whose requests end so, one report after the other.
    private func verdicts(_ bound: StepBack, _ reports: [(ended: Int, failed: Int)]) -> [Bool] {
        var judge = CanaryJudge(bound)
        return reports.map { judge.note(ended: $0.ended, failed: $0.failed) != nil }
    }

    @Test func `more failures than the bound allows are enough, as many are not`() {
        let bound = StepBack(percent: 5, requests: 100)
        #expect(verdicts(bound, [(100, 5)]) == [false])
        #expect(verdicts(bound, [(100, 6)]) == [true])
        #expect(verdicts(bound, [(1000, 50), (1000, 51)]) == [false, true])
    }

    @Test func `few requests are too few to judge by, unless nothing could make up for them`() {
        let bound = StepBack(percent: 5, requests: 100)
        #expect(verdicts(bound, [(5, 5)]) == [false])
        #expect(verdicts(bound, [(6, 6)]) == [true])
        #expect(verdicts(bound, [(50, 3), (49, 2), (1, 1)]) == [false, false, true])
    }

    @Test func `what is long past neither excuses nor condemns`() {
        let bound = StepBack(percent: 10, requests: 10)
        #expect(verdicts(bound, [(100_000, 0), (10, 2)]) == [false, true])
        #expect(verdicts(bound, [(10, 1), (10, 1), (10, 1)]) == [false, false, false])
    }

    @Test func `it says how many, of how many, and what would have been too many`() {
        var judge = CanaryJudge(StepBack(percent: 0.5, requests: 200))
        #expect(judge.note(ended: 20, failed: 2) == "2 of 20 requests failed, which is more than 0.5 % of 200")
    }

    @Test(arguments: [
        ("5%", nil, 5.0, 100), ("0.5", "20", 0.5, 20), ("100%", "1000000", 100.0, 1_000_000),
    ])
    func `a bound is read`(_ percent: String, _ requests: String?, _ value: Double, _ number: Int) throws {
        #expect(try StepBack(percent, requests: requests) == StepBack(percent: value, requests: number))
    }

    @Test(arguments: [
        ("0", nil), ("0.05%", nil), ("101", nil), ("-1%", nil), ("5%%", nil), ("1e1", nil), (".5", nil), ("", nil),
        ("nan", nil),
        ("5%", "0"), ("5%", "1000001"), ("5%", "x"), ("5%", ""),
    ])
    func `what is none is refused`(_ percent: String, _ requests: String?) {
        #expect(throws: InvalidOption.self) { try StepBack(percent, requests: requests) }
    }

    @Test func `it goes with a division of the traffic`() {
        #expect(throws: InvalidOption.self) { try TrafficGoal("7:100", sticky: nil, stepBack: "5%") }
        #expect(throws: InvalidOption.self) { try TrafficGoal("7:50,8:50", sticky: nil, requests: "10") }
    }
}
