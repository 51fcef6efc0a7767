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

    @Test func `every millisecond of a second survives being written and read`() {
        for milliseconds in Int64(1_795_368_594_000)..<1_795_368_595_000 {
            let time = Timestamp(milliseconds: milliseconds)
            #expect(Timestamp(time.description) == time)
        }
    }
}
