extension HTTPClient {
    /// Like ``execute(_:)``, but a passing failure (a lost connection, a status of ``RetryPolicy/statuses``) is retried.
    ///
    /// The caller says by passing a policy that the request may be repeated. A body that is not replayable is sent once. When the
    /// attempts are used up, the last answer is returned or the last error thrown.
    package func execute(_ request: ClientRequest, retrying policy: RetryPolicy) async throws(TransferError) -> ClientResponse {
        throw TransferError(.unavailable, "The client is not built yet.")
    }

    /// Like ``collect(_:limit:)``, with retries as in ``execute(_:retrying:)``. A body that broke off counts as a failure too.
    package func collect(
        _ request: ClientRequest, limit: Int = 4 << 20, retrying policy: RetryPolicy
    ) async throws(TransferError) -> CollectedResponse {
        throw TransferError(.unavailable, "The client is not built yet.")
    }
}
