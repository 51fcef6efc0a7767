import Contract
import NIOCore
import Telemetry

/// What is recorded of a request that is sampled: the span of the request, and one for each time that an instance was sent it.
final class RequestTrace {
    /// The request in the hands of an instance.
    struct Attempt {
        /// The span that the instance's own are children of.
        let context: TraceContext
        let endpoint: Endpoint
        let sent: NIODeadline
        /// When it was lost; `nil`: it lasted as long as the request.
        var lost: NIODeadline?
        var status = 0
        /// Why there was no answer, or no whole one.
        var failure: String?
    }

    /// The request's own span.
    let context: TraceContext
    /// The caller's.
    let parent: TraceContext?
    private let began: NIODeadline
    private let start: UInt64
    private(set) var events: [Span.Event] = []
    private(set) var attempts: [Attempt] = []

    init(_ parent: TraceContext?, began: NIODeadline, start: UInt64, draw: () -> UInt64) {
        let trace = parent?.trace ?? (Self.identifier(draw), Self.identifier(draw))
        context = TraceContext(trace: trace, span: Self.identifier(draw), isSampled: true)
        self.parent = parent
        self.began = began
        self.start = start
    }

    /// An id that is not 0.
    private static func identifier(_ draw: () -> UInt64) -> UInt64 {
        let number = draw()
        return number == 0 ? 1 : number
    }

    /// `moment` in nanoseconds since 1970.
    func time(_ moment: NIODeadline) -> UInt64 {
        start &+ UInt64(truncatingIfNeeded: max(0, (moment - began).nanoseconds))
    }

    /// Something has happened. Of a request that is tried over and over the first moments are kept.
    func note(_ name: String) {
        if events.count < 32 { events.append(Span.Event(name, at: time(.now()))) }
    }

    /// `endpoint` is sent the request.
    func sent(to endpoint: Endpoint, draw: () -> UInt64) {
        let span = Self.identifier(draw)
        attempts.append(
            Attempt(
                context: TraceContext(trace: context.trace, span: span, isSampled: true), endpoint: endpoint,
                sent: .now()))
    }

    /// It has begun to answer.
    func answered(_ status: Int) {
        if !attempts.isEmpty { attempts[attempts.count - 1].status = status }
    }

    /// It has not, or not to the end.
    func lost(_ failure: String) {
        guard let last = attempts.indices.last, attempts[last].lost == nil else { return }
        attempts[last].lost = .now()
        attempts[last].failure = failure
    }
}
