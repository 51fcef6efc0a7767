import Contract
import Transfer

/// One call of the API server.
package struct APICall: Sendable {
    /// When a call may be sent again.
    package enum Repetition: Sendable {
        /// Whenever it failed for a passing reason: doing it twice is the same as once.
        case always
        /// Only when the server certainly did not do it.
        case ifUndone
    }

    /// The method.
    package var method: Method
    /// The path, encoded.
    package var path: String
    /// The query, not encoded.
    package var query: [(name: String, value: String)]
    /// The type of the body.
    package var contentType: String?
    /// What is sent.
    package var body: [UInt8]?
    /// When it may be sent again.
    package var repetition: Repetition
    /// What it does, for messages: `Cannot <action>: …`.
    package var action: String

    /// A call; by default one without a body that may be repeated.
    package init(
        method: Method, path: String, query: [(name: String, value: String)] = [], contentType: String? = nil,
        body: [UInt8]? = nil, repetition: Repetition = .always, action: String
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.contentType = contentType
        self.body = body
        self.repetition = repetition
        self.action = action
    }

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
