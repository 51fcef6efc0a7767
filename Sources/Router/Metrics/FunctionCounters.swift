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
    /// The numbers as they are now.
    private(set) var figures = FunctionFigures()

    /// ``Telemetry/Histogram/requestBounds`` in nanoseconds.
    private static let bounds = Histogram.requestBounds.map { Int64($0 * 1e9) }

    init(_ function: String) { self.function = function }

    /// A request has come.
    func begin() { figures.begun &+= 1 }

    /// It is over.
    func end(_ outcome: Outcome, after duration: Int64) {
        figures.outcomes[outcome.rawValue] &+= 1
        var index = 0
        while index < Self.bounds.count, duration > Self.bounds[index] { index += 1 }
        figures.buckets[index] &+= 1
        figures.nanoseconds &+= duration
    }

    /// An instance has answered with a final head.
    func answered(after duration: Int64) {
        figures.upstreamAnswers &+= 1
        figures.upstreamNanoseconds &+= duration
    }

    /// A request had to wait for a place at an instance.
    func waited(_ duration: Int64) {
        figures.held &+= 1
        figures.heldNanoseconds &+= duration
    }

    /// Some of a request's body, without framing.
    func received(_ bytes: Int) { figures.requestBytes &+= bytes }
    /// Some of a response's body, without framing.
    func sent(_ bytes: Int) { figures.responseBytes &+= bytes }
}

/// What ``FunctionCounters`` have counted; to be added up over the event loops.
struct FunctionFigures: Sendable {
    /// Requests begun.
    var begun = 0
    /// Requests ended, by ``FunctionCounters/Outcome``.
    var outcomes = [Int](repeating: 0, count: FunctionCounters.Outcome.allCases.count)
    /// Durations by bucket, see ``Telemetry/Histogram/requestBounds``.
    var buckets = [Int](repeating: 0, count: Histogram.requestBounds.count + 1)
    var nanoseconds: Int64 = 0
    var upstreamAnswers = 0
    var upstreamNanoseconds: Int64 = 0
    var held = 0
    var heldNanoseconds: Int64 = 0
    var requestBytes = 0
    var responseBytes = 0

    /// Requests begun and not over.
    var inFlight: Int { begun - outcomes.reduce(0, +) }

    /// Adds another loop's.
    mutating func add(_ other: Self) {
        begun += other.begun
        for index in outcomes.indices { outcomes[index] += other.outcomes[index] }
        for index in buckets.indices { buckets[index] += other.buckets[index] }
        nanoseconds += other.nanoseconds
        upstreamAnswers += other.upstreamAnswers
        upstreamNanoseconds += other.upstreamNanoseconds
        held += other.held
        heldNanoseconds += other.heldNanoseconds
        requestBytes += other.requestBytes
        responseBytes += other.responseBytes
    }
}
