import Synchronization

/// One request and its answer, seen from both sides: the engine's thread reports, the reader's task waits.
final class Exchange: Sendable {
    private struct Shared {
        var state: ExchangeState
        var reader: CheckedContinuation<ExchangeState.Outcome, Never>?
    }

    let request: ClientRequest
    /// The request's body, when it is streamed.
    let upload: UploadPipe?
    private let mailbox: Mailbox
    private let shared: Mutex<Shared>

    init(_ request: ClientRequest, _ delivery: ExchangeState.Delivery, mailbox: Mailbox) {
        self.request = request
        self.mailbox = mailbox
        shared = Mutex(Shared(state: ExchangeState(delivery)))
        if case .stream(let length, let source) = request.body.content {
            upload = UploadPipe(length: length, source: source)
        } else {
            upload = nil
        }
    }

    // MARK: The reader's side

    /// Hands the exchange to the engine.
    func start() {
        guard mailbox.post(.start(self)) else {
            finish(.failure(TransferError(.unavailable, "The HTTP client is shut down.")))
            return
        }
        upload?.start { [weak self] in
            guard let self else { return }
            _ = mailbox.post(.resume(self))
        }
    }

    /// Waits for `want`; the exchange is cancelled with the task.
    func wait(for want: ExchangeState.Want) async -> ExchangeState.Outcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (outcome, resumes) = shared.withLock { shared in
                    let answer = shared.state.ask(want)
                    if answer.outcome == nil { shared.reader = continuation }
                    return answer
                }
                if resumes { _ = mailbox.post(.resume(self)) }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            cancel()
        }
    }

    /// Ends the exchange, unless it has ended.
    func cancel() {
        if shared.withLock({ $0.state.cancel() }) { _ = mailbox.post(.cancel(self)) }
    }

    // MARK: The engine's side

    var isCancelled: Bool { shared.withLock { $0.state.isCancelled } }

    func receive(_ head: ResponseHead) {
        deliver { (.taken, $0.receive(head)) }
    }

    func receive(_ bytes: UnsafeRawBufferPointer) -> ExchangeState.Verdict {
        deliver { $0.receive(bytes) }
    }

    func finish(_ result: Result<Void, TransferError>) {
        deliver { (.taken, $0.finish(result)) }
        upload?.close()
    }

    @discardableResult
    private func deliver(
        _ event: (inout ExchangeState) -> (verdict: ExchangeState.Verdict, outcome: ExchangeState.Outcome?)
    ) -> ExchangeState.Verdict {
        let (verdict, outcome, reader) = shared.withLock { shared in
            let (verdict, outcome) = event(&shared.state)
            guard outcome != nil else {
                return (verdict, outcome, nil as CheckedContinuation<ExchangeState.Outcome, Never>?)
            }
            defer { shared.reader = nil }
            return (verdict, outcome, shared.reader)
        }
        if let outcome { reader?.resume(returning: outcome) }
        return verdict
    }
}
