import Testing

@testable import Transfer

@Suite(.serialized) struct RetryTests {
    private static let quick = RetryPolicy(attempts: 4, firstPause: .milliseconds(1), deadline: .seconds(30))

    @Test(arguments: ["how=drop", "how=truncate", "status=503", "status=429&after=0", "status=502", "status=408"])
    func `a passing failure is retried`(how: String) async throws {
        try await withPeer { peer in
            let response = try await HTTPClient().collect(
                ClientRequest(.get, peer.url + "/flaky?id=a&fails=3&\(how)"), retrying: Self.quick)
            #expect(response.text == "4")
        }
    }

    @Test func `the last answer is returned when attempts run out, and a final status is not retried`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            let response = try await client.collect(
                ClientRequest(.get, peer.url + "/flaky?id=b&fails=9"), retrying: Self.quick)
            #expect(response.status == 503)
            #expect(try await client.collect(ClientRequest(.get, peer.url + "/count?id=b")).text == "4")
            let missing = try await client.execute(
                ClientRequest(.get, peer.url + "/flaky?id=c&status=404"), retrying: Self.quick)
            #expect(missing.status == 404)
        }
    }

    @Test func `a body that cannot be sent again is sent once`() async throws {
        try await withPeer { peer in
            let chunks = AsyncStream<[UInt8]> { $0.finish() }
            let response = try await HTTPClient().collect(
                ClientRequest(.post, peer.url + "/flaky?id=d", body: .stream(chunks)), retrying: Self.quick)
            #expect(response.status == 503)
        }
    }

    @Test func `Retry-After is obeyed up to the deadline`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            let start = ContinuousClock.now
            let obeyed = try await client.collect(
                ClientRequest(.get, peer.url + "/flaky?id=e&after=1&status=429"), retrying: Self.quick)
            #expect(obeyed.status == 200)
            #expect(.now - start >= .seconds(1))
            let tooLate = try await client.collect(
                ClientRequest(.get, peer.url + "/flaky?id=f&after=60&status=429"), retrying: Self.quick)
            #expect(tooLate.status == 429)
        }
    }

    @Test func `pauses double, are jittered and end at the longest`() {
        let policy = RetryPolicy(
            attempts: 5, firstPause: .milliseconds(100), longestPause: .milliseconds(300), deadline: .seconds(60))
        func pauses(_ fraction: Double) -> [Duration?] {
            var schedule = RetrySchedule(policy)
            return (0..<5).map { _ in
                schedule.pause(
                    after: .answer(status: 503, retryAfter: nil), elapsed: .zero, fraction: fraction, now: 0)
            }
        }
        #expect(pauses(1) == [100, 200, 300, 300].map { .milliseconds($0) } + [nil])
        #expect(pauses(0) == [50, 100, 150, 150].map { .milliseconds($0) } + [nil])
    }

    @Test(
        arguments: [
            ("3", 3), ("0", 0), ("Thu, 01 Jan 1970 00:16:50 GMT", 10), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("soon", nil),
            ("-1", nil),
        ] as [(String, Int?)])
    func `Retry-After is a number or a date`(value: String, seconds: Int?) {
        #expect(RetrySchedule.seconds(value, now: 1000) == seconds)
    }
}
