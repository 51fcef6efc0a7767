import Support
import Telemetry
import Testing

@Suite struct MetricTextTests {
    private func text(_ families: MetricFamily...) -> String {
        String(decoding: MetricText.encode(families), as: UTF8.self)
    }

    @Test func `families are written in the order of their names, empty ones too`() {
        var requests = MetricFamily("b_total", .counter, "Requests.")
        requests.add(3, .init("function", "hello"), .init("code", "2xx"))
        requests.add(0.5, .init("function", "x"))
        #expect(
            text(requests, MetricFamily("c", .gauge, "None."), MetricFamily("a", .gauge, "One.", value: -1.25)) == """
                # HELP a One.
                # TYPE a gauge
                a -1.25
                # HELP b_total Requests.
                # TYPE b_total counter
                b_total{function="hello",code="2xx"} 3
                b_total{function="x"} 0.5
                # HELP c None.
                # TYPE c gauge

                """)
    }

    @Test func `what a label or a help text must not contain is escaped`() {
        var family = MetricFamily("a", .gauge, "A \"quoted\" \\ and\na break.")
        family.add(1, .init("path", "C:\\\"x\"\nend\u{e9}"))
        #expect(
            text(family)
                == "# HELP a A \"quoted\" \\\\ and\\na break.\n# TYPE a gauge\na{path=\"C:\\\\\\\"x\\\"\\nend\u{e9}\"} 1\n"
        )
    }

    @Test(arguments: [
        (0.0, "0"), (1, "1"), (-3, "-3"), (0.0025, "0.0025"), (1e-7, "1e-07"), (1e300, "1e+300"), (.infinity, "+Inf"),
        (-.infinity, "-Inf"), (.nan, "NaN"), (1_795_368_594.25, "1795368594.25"), (4_294_967_296, "4294967296"),
    ])
    func `numbers are written as Prometheus reads them`(value: Double, text: String) {
        #expect(MetricText.number(value) == text)
    }

    @Test func `a histogram's buckets are cumulative, its bounds inclusive`() {
        var histogram = Histogram(bounds: [0.1, 1])
        for value in [0.1, 0.05, 0.5, 1, 7] { histogram.observe(value) }
        #expect(histogram.counts == [2, 2, 1] && histogram.count == 5)
        var other = Histogram(bounds: [0.1, 1])
        other.observe(2)
        histogram.add(other)
        var family = MetricFamily("d_seconds", .histogram, "Times.")
        family.add(histogram, .init("f", "x"))
        #expect(
            text(family) == """
                # HELP d_seconds Times.
                # TYPE d_seconds histogram
                d_seconds_bucket{f="x",le="0.1"} 2
                d_seconds_bucket{f="x",le="1"} 4
                d_seconds_bucket{f="x",le="+Inf"} 6
                d_seconds_sum{f="x"} 10.65
                d_seconds_count{f="x"} 6

                """)
    }

    @Test func `the texts of several roles become one, each family in one piece`() {
        var mine = MetricFamily("p", .gauge, "Process.")
        mine.add(1, .init("role", "a"))
        var theirs = MetricFamily("p", .gauge, "Process.")
        theirs.add(2, .init("role", "b"))
        let merged = MetricText.merge([
            MetricText.encode([mine, MetricFamily("z", .gauge, "Z.", value: 9)]), MetricText.encode([theirs]), [],
        ])
        #expect(
            String(decoding: merged, as: UTF8.self) == """
                # HELP p Process.
                # TYPE p gauge
                p{role="a"} 1
                p{role="b"} 2
                # HELP z Z.
                # TYPE z gauge
                z 9

                """)
    }

    @Test func `the process's own figures are there and plausible`() {
        let families = ProcessFigures.families(role: "test", version: "1")
        func value(_ name: String) -> Double? { families.first { $0.name == name }?.samples.first?.value }
        #expect((value("process_resident_memory_bytes") ?? 0) > 1_000_000.0)
        #expect((value("process_open_fds") ?? 0) >= 3.0)
        #expect((value("process_start_time_seconds") ?? 0) > 1_600_000_000.0)
        #expect(value("process_cpu_seconds_total") != nil && value("kiln_build_info") == 1.0)
    }

    @Test func `Prometheus' own checker finds nothing wrong`() async throws {
        var histogram = Histogram(bounds: Histogram.requestBounds)
        histogram.observe(0.2)
        var durations = MetricFamily("kiln_x_duration_seconds", .histogram, "Durations.")
        durations.add(histogram, .init("function", "a\\\"\nb"))
        var upstream = MetricFamily("kiln_y_seconds", .summary, "Sum and count.")
        upstream.add(sum: 1.5, count: 3)
        let bytes = MetricText.encode(
            ProcessFigures.families(role: "test", version: "1") + [
                durations, upstream, MetricFamily("kiln_z_total", .counter, "Things.", value: 1),
                MetricFamily("kiln_none", .gauge, "Nothing yet."),
            ])
        let result = try await command("promtool", ["check", "metrics"], input: bytes)
        #expect(result.succeeded && result.errors.isEmpty, "\(result.errors)")
    }
}
