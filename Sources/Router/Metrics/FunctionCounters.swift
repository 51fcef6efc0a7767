import NIOCore
import Telemetry

/// What one event loop has counted for one function: plain numbers, without a lock, for nobody else touches them.
///
/// A request keeps the object that it began with, so that its end is counted where its beginning was, also when the function is deleted
/// in between.
final class FunctionCounters {
    /// How a request ended, as far as its client could see.
    enum Outcome: Int, CaseIterable {
        case switched, success, redirection, clientError, serverError
        /// The client was gone before there was an answer.
        case abandoned

        /// The class of `status`.
        init(status: Int) { self = Self(rawValue: status / 100 - 1) ?? .serverError }

        /// The value of the label `code`.
        var label: String {
            switch self {
            case .switched: "1xx"
            case .success: "2xx"
            case .redirection: "3xx"
            case .clientError: "4xx"
            case .serverError: "5xx"
            case .abandoned: "none"
            }
        }
    }

    let function: String
    /// Requests begun.
    private var begun = 0
    /// Requests ended, by ``Outcome``.
    private var outcomes = [Int](repeating: 0, count: Outcome.allCases.count)
    /// Durations by bucket, see ``bounds``.
    private var buckets = [Int](repeating: 0, count: FunctionCounters.bounds.count + 1)
    private var nanoseconds: Int64 = 0
    private var upstreamAnswers = 0
    private var upstreamNanoseconds: Int64 = 0
    private var held = 0
    private var heldNanoseconds: Int64 = 0
    private var requestBytes = 0
    private var responseBytes = 0

    /// ``Telemetry/Histogram/requestBounds`` in nanoseconds.
    private static let bounds = Histogram.requestBounds.map { Int64($0 * 1e9) }

    init(_ function: String) { self.function = function }

    /// A request has come.
    func begin() { begun &+= 1 }

    /// It is over.
    func end(_ outcome: Outcome, after duration: Int64) {
        outcomes[outcome.rawValue] &+= 1
        var index = 0
        while index < Self.bounds.count, duration > Self.bounds[index] { index += 1 }
        buckets[index] &+= 1
        nanoseconds &+= duration
    }

    /// An instance has answered with a final head.
    func answered(after duration: Int64) {
        upstreamAnswers &+= 1
        upstreamNanoseconds &+= duration
    }

    /// A request had to wait for a place at an instance.
    func waited(_ duration: Int64) {
        held &+= 1
        heldNanoseconds &+= duration
    }

    /// Some of a request's body, without framing.
    func received(_ bytes: Int) { requestBytes &+= bytes }
    /// Some of a response's body, without framing.
    func sent(_ bytes: Int) { responseBytes &+= bytes }

    /// The numbers as they are now.
    var figures: FunctionFigures {
        var figures = FunctionFigures()
        figures.begun = begun
        figures.outcomes = outcomes
        figures.buckets = buckets
        figures.seconds = Double(nanoseconds) / 1e9
        figures.upstreamAnswers = upstreamAnswers
        figures.upstreamSeconds = Double(upstreamNanoseconds) / 1e9
        figures.held = held
        figures.heldSeconds = Double(heldNanoseconds) / 1e9
        figures.requestBytes = requestBytes
        figures.responseBytes = responseBytes
        return figures
    }
}

/// A copy of ``FunctionCounters``, to be added up over the event loops.
struct FunctionFigures: Sendable {
    var begun = 0
    var outcomes = [Int](repeating: 0, count: FunctionCounters.Outcome.allCases.count)
    var buckets = [Int](repeating: 0, count: Histogram.requestBounds.count + 1)
    var seconds = 0.0
    var upstreamAnswers = 0
    var upstreamSeconds = 0.0
    var held = 0
    var heldSeconds = 0.0
    var requestBytes = 0
    var responseBytes = 0

    /// Requests begun and not over.
    var inFlight: Int { begun - outcomes.reduce(0, +) }

    /// Adds another loop's.
    mutating func add(_ other: Self) {
        begun += other.begun
        for index in outcomes.indices { outcomes[index] += other.outcomes[index] }
        for index in buckets.indices { buckets[index] += other.buckets[index] }
        seconds += other.seconds
        upstreamAnswers += other.upstreamAnswers
        upstreamSeconds += other.upstreamSeconds
        held += other.held
        heldSeconds += other.heldSeconds
        requestBytes += other.requestBytes
        responseBytes += other.responseBytes
    }
}
