import Glibc
internal import Logging
internal import Transfer

extension Registry {
    /// Does something of several requests again, as the retry policy says, for as long as it fails in passing.
    func repeating<Result>(
        _ what: String, _ body: () async throws(OCIError) -> Result
    ) async throws(OCIError) -> Result {
        var schedule = RetrySchedule(retry)
        let start = ContinuousClock.now
        while true {
            let failure: OCIError
            do throws(OCIError) { return try await body() } catch { failure = error }
            guard let outcome = failure.retryOutcome,
                let pause = schedule.pause(
                    after: outcome, elapsed: .now - start, fraction: .random(in: 0...1), now: time(nil))
            else { throw failure }
            logger.debug("Trying again.", metadata: ["what": "\(what)", "error": "\(failure)", "pause": "\(pause)"])
            do { try await Task.sleep(for: pause) } catch { throw OCIError(.cancelled, "\(what) was cancelled.") }
        }
    }
}

extension OCIError {
    /// How the retry policy sees the failure; `nil` if it is final.
    var retryOutcome: RetrySchedule.Outcome? {
        if let error = cause as? TransferError { return .failure(error) }
        return status.map { .answer(status: $0, retryAfter: retryAfter) }
    }
}
