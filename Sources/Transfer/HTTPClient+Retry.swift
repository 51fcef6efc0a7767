import Glibc

extension HTTPClient {
    /// Like ``execute(_:)``, but a passing failure (a lost connection, a status of ``RetryPolicy/statuses``) is
    /// retried.
    ///
    /// The caller says by passing a policy that the request may be repeated. A body that is not replayable is sent
    /// once. When the attempts are used up, the last answer is returned or the last error thrown.
    package func execute(
        _ request: ClientRequest, retrying policy: RetryPolicy
    ) async throws(TransferError) -> ClientResponse {
        try await retrying(request, policy) { () async throws(TransferError) in
            let response = try await execute(request)
            return Attempt(value: response, status: response.status, retryAfter: response.headers["Retry-After"])
        } discard: { response in
            // Reading a short error to its end lets the connection be used again.
            _ = try? await response.body.collect(limit: 64 << 10)
        }
    }

    /// Like ``collect(_:limit:)``, with retries as in ``execute(_:retrying:)``. A body that broke off counts as a
    /// failure too.
    package func collect(
        _ request: ClientRequest, limit: Int = 4 << 20, retrying policy: RetryPolicy
    ) async throws(TransferError) -> CollectedResponse {
        try await retrying(request, policy) { () async throws(TransferError) in
            let response = try await collect(request, limit: limit)
            return Attempt(value: response, status: response.status, retryAfter: response.headers["Retry-After"])
        } discard: { _ in
        }
    }

    private struct Attempt<Value> {
        let value: Value
        let status: Int
        let retryAfter: String?
    }

    private func retrying<Value>(
        _ request: ClientRequest, _ policy: RetryPolicy, attempt: () async throws(TransferError) -> Attempt<Value>,
        discard: (Value) async -> Void
    ) async throws(TransferError) -> Value {
        var schedule = RetrySchedule(request.body.isReplayable ? policy : .never)
        let start = ContinuousClock.now
        while true {
            let result: Result<Attempt<Value>, TransferError>
            do throws(TransferError) { result = .success(try await attempt()) } catch { result = .failure(error) }
            let outcome: RetrySchedule.Outcome =
                switch result {
                case .success(let attempt): .answer(status: attempt.status, retryAfter: attempt.retryAfter)
                case .failure(let error): .failure(error)
                }
            let pause = schedule.pause(
                after: outcome, elapsed: .now - start, fraction: .random(in: 0...1), now: time(nil))
            guard let pause else { return try result.get().value }
            if case .success(let attempt) = result { await discard(attempt.value) }
            do { try await Task.sleep(for: pause) } catch {
                throw TransferError(.cancelled, "The request was cancelled while it waited to be sent again.")
            }
        }
    }
}
