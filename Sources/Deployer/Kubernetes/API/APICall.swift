import Contract
import Transfer

/// One call of the API server.
struct APICall: Sendable {
    /// When a call may be sent again.
    enum Repetition: Sendable {
        /// Whenever it failed for a passing reason: doing it twice is the same as once.
        case always
        /// Only when the server certainly did not do it.
        case ifUndone
    }

    var method: Method
    var path: String
    var query: [(name: String, value: String)] = []
    var contentType: String?
    var body: [UInt8]?
    var repetition = Repetition.always
    /// What it does, for messages: `Cannot <action>: …`.
    var action: String

    var target: String {
        let items = query.map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }
        return items.isEmpty ? path : "\(path)?\(items.joined(separator: "&"))"
    }

    /// How a failed attempt is to be taken by the retry schedule; `nil` when it must not be repeated.
    func retriable(_ outcome: Result<CollectedResponse, TransferError>, _ error: APIError) -> RetrySchedule.Outcome? {
        switch outcome {
        case .failure(let transfer):
            guard transfer.isTransient else { return nil }
            if repetition == .ifUndone, transfer.code != .cannotConnect { return nil }
            return .failure(transfer)
        case .success(let answer):
            let said = error.status?.details?.retryAfterSeconds.map(String.init)
            let retryAfter = answer.headers["Retry-After"] ?? said
            switch error.code {
            // Turned away at the door.
            case .busy: return .answer(status: 429, retryAfter: retryAfter)
            case .failed:
                if repetition == .ifUndone, retryAfter == nil { return nil }
                return .answer(status: 503, retryAfter: retryAfter)
            default: return nil
            }
        }
    }
}
