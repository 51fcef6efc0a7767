import Telemetry
import Testing

@Suite struct TraceContextTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let span = "b7ad6b7169203331"

    private func read(_ text: String) -> TraceContext? {
        var text = text
        return text.withUTF8 { TraceContext(UnsafeRawBufferPointer($0)) }
    }

    @Test(arguments: [("01", true), ("00", false), ("03", true), ("ff", true), ("fe", false)])
    func `a field is read, and written as version 00`(flags: String, sampled: Bool) throws {
        let context = try #require(read("00-\(Self.trace)-\(Self.span)-\(flags)"))
        #expect(
            context.isSampled == sampled && context.traceText == Self.trace && context.span == 0xB7AD_6B71_6920_3331)
        #expect(context.traceparent == "00-\(Self.trace)-\(Self.span)-\(sampled ? "01" : "00")")
    }

    @Test(arguments: ["cc-\(trace)-\(span)-01", "01-\(trace)-\(span)-01-what-comes-later"])
    func `a later version is read as far as this one goes`(text: String) {
        #expect(read(text)?.traceText == Self.trace)
    }

    @Test(arguments: [
        "", "00", "00-\(trace)-\(span)", "00-\(trace)-\(span)-1", "00-\(trace)-\(span)-01-", "00-\(trace)-\(span)-01x",
        "ff-\(trace)-\(span)-01", "cc-\(trace)-\(span)-01x", "00-\(trace.uppercased())-\(span)-01",
        "00-00000000000000000000000000000000-\(span)-01", "00-\(trace)-0000000000000000-01", "00_\(trace)-\(span)-01",
        "00-\(trace)_\(span)-01", "00-\(trace)-\(span)_01", "0g-\(trace)-\(span)-01", "00-\(trace)-\(span)-0g",
        "00-\(trace)-b7ad6b716920333-101", " 00-\(trace)-\(span)-01",
    ])
    func `what is no context is none`(text: String) {
        #expect(read(text) == nil)
    }

    @Test func `ids keep their zeros`() {
        let context = TraceContext(trace: (0, 1), span: 2, isSampled: true)
        #expect(context.traceparent == "00-00000000000000000000000000000001-0000000000000002-01")
    }

    @Test func `a trace that begins here is recorded by lot, another's as its caller says`() {
        let queue = SpanQueue(limit: 1)
        let (wanted, unwanted) = (
            TraceContext(trace: (1, 1), span: 1, isSampled: true),
            TraceContext(trace: (1, 1), span: 1, isSampled: false)
        )
        for fraction in [0, 0.1, 1] {
            let tracing = Tracing(queue, fraction: fraction)
            #expect(tracing.samples(wanted, draw: { .max }) && !tracing.samples(unwanted, draw: { 0 }))
            var generator = SystemRandomNumberGenerator()
            let recorded = (0..<10_000).count { _ in tracing.samples(nil, draw: { generator.next() }) }
            #expect(abs(Double(recorded) / 10_000 - fraction) < 0.03)
        }
        #expect(!Tracing(queue, fraction: 0).samples(nil, draw: { 0 }))
        #expect(Tracing(queue, fraction: 1).samples(nil, draw: { .max }))
    }
}
