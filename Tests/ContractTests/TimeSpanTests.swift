import Contract
import Testing

@Suite struct TimeSpanTests {
    @Test(arguments: [("30s", 30), ("15m", 900), ("1h", 3600), ("7d", 604_800), ("0s", 0), ("90m", 5400)])
    func `a number and a unit are a time`(text: String, seconds: Int) {
        #expect(TimeSpan(text) == .seconds(seconds))
    }

    @Test(arguments: [
        "", "s", "30", "-1s", "+1s", "1.5h", "1w", "1 h", "never ", "Never", "99999999999999999999d",
        "9223372036854775807h",
    ])
    func `anything else is none`(text: String) { #expect(TimeSpan(text) == nil) }

    @Test(arguments: ["30s", "15m", "1h", "7d", "never", "0s", "61s"])
    func `it is written as it is read`(text: String) { #expect(TimeSpan(text)?.description == text) }
}
