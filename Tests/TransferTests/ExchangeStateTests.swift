import Testing

@testable import Transfer

@Suite struct ExchangeStateTests {
    private let head = ResponseHead(status: 200, headers: [:])

    @Test func `an early reader waits and gets each thing as it arrives`() {
        var state = ExchangeState(.streamed)
        #expect(state.ask(.head).outcome == nil)
        guard case .head(head)? = state.receive(head) else { Issue.record("not what was asked for"); return }
        #expect(state.ask(.chunk).outcome == nil)
        guard case .chunk([1, 2])? = feed(&state, [1, 2]).outcome else {
            Issue.record("not what was asked for"); return
        }
        #expect(feed(&state, [3]).outcome == nil, "nobody asked")
        guard case .chunk([3])? = state.ask(.chunk).outcome else { Issue.record("not what was asked for"); return }
        #expect(state.finish(.success(())) == nil)
        guard case .end? = state.ask(.chunk).outcome else { Issue.record("not what was asked for"); return }
    }

    @Test func `a reader that is behind pauses the engine and resumes it by reading`() {
        var state = ExchangeState(.streamed)
        _ = state.receive(head)
        let block = [UInt8](repeating: 0, count: ExchangeState.highWater)
        #expect(feed(&state, block).verdict == .taken)
        #expect(feed(&state, [1]).verdict == .pause)
        #expect(state.ask(.chunk).resumes)
        #expect(feed(&state, [1]).verdict == .taken)
        #expect(!state.ask(.chunk).resumes)
    }

    @Test func `a whole answer is never more than its limit`() {
        var state = ExchangeState(.whole(limit: 4))
        #expect(state.ask(.whole).outcome == nil)
        #expect(state.receive(head) == nil)
        #expect(feed(&state, [1, 2, 3]).verdict == .taken)
        #expect(feed(&state, [4, 5]).verdict == .overflow)
        #expect(feed(&state, [4]).verdict == .taken)
        guard case .whole(head, [1, 2, 3, 4])? = state.finish(.success(())) else {
            Issue.record("not what was asked for"); return
        }
    }

    @Test func `only the first end counts, and only once is the engine told`() {
        var state = ExchangeState(.streamed)
        let tells = [state.cancel(), state.cancel()]
        #expect(tells == [true, false])
        _ = state.finish(.failure(TransferError(.cancelled, "")))
        _ = state.finish(.success(()))
        guard case .failure(let error)? = state.ask(.chunk).outcome else {
            Issue.record("not what was asked for"); return
        }
        #expect(error.code == .cancelled)
    }

    private func feed(
        _ state: inout ExchangeState, _ bytes: [UInt8]
    ) -> (verdict: ExchangeState.Verdict, outcome: ExchangeState.Outcome?) {
        bytes.withUnsafeBytes { state.receive($0) }
    }
}
