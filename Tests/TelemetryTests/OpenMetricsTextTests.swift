import Telemetry
import Testing

@Suite struct OpenMetricsTextTests {
    @Test func `a counter's family has no suffix, quotation marks are escaped, and the end is marked`() {
        var requests = MetricFamily("b_total", .counter, "All \"requests\".")
        requests.add(3, .init("function", "hello"))
        let text = MetricText.encode([requests, MetricFamily("a", .gauge, "One.", value: 1)])
        #expect(
            String(decoding: OpenMetricsText.encode(text), as: UTF8.self) == """
                # HELP a One.
                # TYPE a gauge
                a 1
                # HELP b All \\"requests\\".
                # TYPE b counter
                b_total{function="hello"} 3
                # EOF

                """)
        #expect(String(decoding: OpenMetricsText.encode([]), as: UTF8.self) == "# EOF\n")
    }

    @Test(arguments: [
        ("application/openmetrics-text", true), ("text/plain", false), ("", false), ("*/*", false),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            true
        ), ("application/openmetrics-text; version=1.0.0; q=0", false),
        ("text/plain, Application/OpenMetrics-Text; version=1.0.0", true),
        ("application/openmetrics-text; version=2.0.0", false),
    ])
    func `who names the format gets it`(accept: String, gets: Bool) {
        #expect(OpenMetricsText.isAccepted(accept) == gets)
    }
}
