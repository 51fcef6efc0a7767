import Contract
import Testing

@testable import Deployer

@Suite struct FunctionConditionsTests {
    private static func target(_ endpoints: Int, notice: RouteNotice? = nil) -> RouteTarget {
        RouteTarget(
            revision: 2, weight: 1, timeoutMilliseconds: 1, concurrency: 1,
            endpoints: (0..<endpoints).map { Endpoint(id: "p\($0)", address: .tcp(host: "10.0.0.1", port: 8000)) },
            notice: notice)
    }

    @Test(arguments: [
        (nil, false, "False NeverLive"), (target(1), false, "True Serving"), (target(3), false, "True Serving"),
        (target(0), true, "True Parked"), (target(0), false, "False Starting"),
        (target(0, notice: .failed("exit code 1")), true, "False StartFailed"),
        (target(0, notice: .waiting("no room")), false, "False Waiting"),
    ])
    func `Ready says whether requests are answered`(target: RouteTarget?, isParked: Bool, wanted: String) {
        var conditions = FunctionConditions()
        conditions.note(target, isParked: isParked)
        let ready = conditions.known["Ready"]
        #expect("\(ready?.status ?? "") \(ready?.reason ?? "")" == wanted)
    }

    @Test func `a failure stays told until a roll-out succeeds`() throws {
        let id = RevisionID(function: try FunctionName("hello"), number: 2)
        var conditions = FunctionConditions()
        func said(_ type: String) -> String {
            conditions.known[type].map { "\($0.status) \($0.reason ?? "")" } ?? ""
        }
        conditions.note(id, .began)
        #expect(said("Progressing") == "True RollingOut" && said("Degraded") == "")
        #expect(said("Ready") == "False NeverLive" && conditions.traffic == nil)
        conditions.note(id, .failed(RolloutFailure(.outOfMemory, "out of memory")))
        #expect(said("Progressing") == "False Failed" && said("Degraded") == "True OutOfMemory")
        conditions.note(id, .began)
        #expect(said("Degraded") == "True OutOfMemory")
        conditions.note(Self.target(1), isParked: false)
        conditions.note(id, .live(.deploy))
        #expect(said("Progressing") == "False Complete" && said("Degraded") == "False AsWanted")
        conditions.note(id, .began)
        #expect(said("Ready") == "True Serving" && conditions.traffic == "r2=100%")
    }

    @Test func `divided traffic is told by its shares, and why it was stepped back stays told`() throws {
        let id = RevisionID(function: try FunctionName("hello"), number: 3)
        var conditions = FunctionConditions()
        conditions.note(
            Self.target(1), isParked: false, split: TrafficSplit(live: 2, canary: 3, percent: 10))
        #expect(conditions.traffic == "r2=90% r3=10%")
        conditions.note(id, .steppedBack("Revision 3: too bad."))
        conditions.note(RevisionID(function: id.function, number: 2), .live(.stepBack))
        conditions.note(Self.target(1), isParked: false)
        #expect(conditions.traffic == "r2=100%")
        let degraded = conditions.known["Degraded"]
        #expect(degraded?.reason == "SteppedBack" && degraded?.message == "Revision 3: too bad.")
        conditions.note(id, .live(.deploy))
        #expect(conditions.known["Degraded"]?.status == "False")
    }

    @Test func `times move only when a condition changes sides, and what is unknown is left alone`() {
        let (then, now) = (Timestamp(milliseconds: 1000), Timestamp(milliseconds: 2000))
        var conditions = FunctionConditions()
        conditions.note(Self.target(1), isParked: false)
        let first = conditions.merged(into: [], at: then, generation: 3)
        #expect(first.map(\.lastTransitionTime) == [then])
        #expect(conditions.merged(into: first, at: now, generation: 4) == first, "nothing is to be written")
        conditions.note(Self.target(0), isParked: true)
        #expect(conditions.merged(into: first, at: now, generation: 4).map(\.lastTransitionTime) == [then])
        conditions.note(Self.target(0), isParked: false)
        let foreign = Condition(type: "Blessed", status: "True", lastTransitionTime: then)
        let last = conditions.merged(into: first + [foreign], at: now, generation: 4)
        #expect(last.map(\.type) == ["Blessed", "Ready"])
        #expect(last.map(\.lastTransitionTime) == [then, now])
        #expect(last.last?.observedGeneration == 4)
    }
}
