import Contract
import Testing

@Suite struct TimestampTests {
    @Test func `a time is written as RFC 3339 with milliseconds and read back`() {
        let time = Timestamp(milliseconds: 1_700_000_000_123)
        #expect(time.description == "2023-11-14T22:13:20.123Z")
        #expect(Timestamp(time.description) == time)
        #expect(Timestamp("2023-11-14T22:13:20Z") == Timestamp(milliseconds: 1_700_000_000_000))
        #expect(Timestamp("yesterday") == nil)
    }

    @Test func `every day is written as the calendar has it`() {
        // Foundation reads what was written: 1600 to 2400, leap days and turns of centuries among them.
        for day in stride(from: Int64(-135_140), to: 157_054, by: 73) {
            let time = Timestamp(milliseconds: day * 86_400_000 + 45_296_789)
            #expect(Timestamp(time.description) == time, "\(time)")
        }
        #expect(Timestamp(milliseconds: -1).description == "1969-12-31T23:59:59.999Z")
        #expect(Timestamp(milliseconds: 951_782_400_000).description == "2000-02-29T00:00:00.000Z")
    }

    @Test func `a time is written as other servers' logs have it`() {
        #expect(Timestamp(milliseconds: 951_782_400_000).commonLog == "29/Feb/2000:00:00:00 +0000")
        #expect(Timestamp(milliseconds: 1_700_000_000_123).commonLog == "14/Nov/2023:22:13:20 +0000")
        #expect(Timestamp(milliseconds: -1).commonLog == "31/Dec/1969:23:59:59 +0000")
    }

    @Test func `every millisecond of a second survives being written and read`() {
        for milliseconds in Int64(1_795_368_594_000)..<1_795_368_595_000 {
            let time = Timestamp(milliseconds: milliseconds)
            #expect(Timestamp(time.description) == time)
        }
    }
}
