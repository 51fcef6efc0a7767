import CCurl
import Glibc

/// The loop around libcurl's multi handle. Everything here happens on one thread.
///
/// It holds the mailbox but not the client, so that a client nobody refers to any more can end it.
final class Engine {
    private let mailbox: Mailbox
    private let configuration: HTTPClient.Configuration
    private let multi: UnsafeMutableRawPointer
    private var transfers: [UnsafeMutableRawPointer: RunningTransfer] = [:]
    private var handles: [ObjectIdentifier: UnsafeMutableRawPointer] = [:]
    private var idleDeadline: ContinuousClock.Instant?
    private var isStopping = false

    /// Starts the thread.
    static func start(_ mailbox: Mailbox, _ configuration: HTTPClient.Configuration) throws(TransferError) {
        let seed = Unmanaged.passRetained(EngineSeed(mailbox: mailbox, configuration: configuration))
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, engineThread, seed.toOpaque())
        guard code == 0 else {
            seed.release()
            throw TransferError(
                .unavailable, "The HTTP client's thread did not start: \(String(cString: strerror(code))).")
        }
        pthread_detach(thread)
    }

    fileprivate init(_ seed: EngineSeed) {
        mailbox = seed.mailbox
        configuration = seed.configuration
        multi = seed.mailbox.multi
        _ = kiln_multi_set_long(multi, CURLMOPT_MAXCONNECTS, configuration.idleConnections)
    }

    fileprivate func run() {
        while true {
            mailbox.take().forEach(perform)
            if isStopping { break }
            var running: Int32 = 0
            curl_multi_perform(multi, &running)
            reportEnded()
            expireIdle()
            var events: Int32 = 0
            curl_multi_poll(multi, nil, 0, pollMilliseconds, &events)
        }
        let error = TransferError(.unavailable, "The HTTP client is shut down.")
        for transfer in Array(transfers.values) { end(transfer, .failure(error)) }
        for case .start(let exchange) in mailbox.close() { exchange.finish(.failure(error)) }
    }

    private func perform(_ command: Mailbox.Command) {
        switch command {
        case .start(let exchange): begin(exchange)
        case .resume(let exchange): transfer(of: exchange)?.resume()
        case .cancel(let exchange):
            if let transfer = transfer(of: exchange) { end(transfer, .failure(Self.cancelled)) }
        case .stop: isStopping = true
        }
    }

    private func transfer(of exchange: Exchange) -> RunningTransfer? {
        handles[ObjectIdentifier(exchange)].flatMap { transfers[$0] }
    }

    private func begin(_ exchange: Exchange) {
        guard !exchange.isCancelled else { return exchange.finish(.failure(Self.cancelled)) }
        do throws(TransferError) {
            let transfer = try RunningTransfer(exchange, configuration)
            let raw = transfer.easy.raw
            transfers[raw] = transfer
            handles[ObjectIdentifier(exchange)] = raw
            let code = curl_multi_add_handle(multi, raw)
            guard code == CURLM_OK else {
                return end(
                    transfer,
                    .failure(TransferError(.unavailable, "libcurl: \(String(cString: curl_multi_strerror(code))).")))
            }
            if let idle = exchange.request.timeouts.idle { lower(&idleDeadline, to: transfer.lastProgress + idle) }
        } catch {
            exchange.finish(.failure(error))
        }
    }

    private func reportEnded() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let raw = message.pointee.easy_handle,
                let transfer = transfers[raw]
            else { continue }
            end(transfer, transfer.result(message.pointee.data.result))
        }
    }

    private func end(_ transfer: RunningTransfer, _ result: Result<Void, TransferError>) {
        let raw = transfer.easy.raw
        curl_multi_remove_handle(multi, raw)
        transfers[raw] = nil
        handles[ObjectIdentifier(transfer.exchange)] = nil
        transfer.exchange.finish(result)
    }

    // MARK: Silence

    /// Ends what was silent for too long. All transfers are looked at only when the earliest deadline may have passed.
    private func expireIdle() {
        let now = ContinuousClock.now
        guard let deadline = idleDeadline, now >= deadline else { return }
        idleDeadline = nil
        for transfer in Array(transfers.values) {
            guard let idle = transfer.exchange.request.timeouts.idle else { continue }
            if !transfer.isWaitingForPeer { transfer.lastProgress = now }
            if transfer.lastProgress + idle <= now {
                let message = "\(transfer.exchange.request.target): the peer was silent for \(idle)."
                end(transfer, .failure(TransferError(.timedOut, message)))
            } else {
                lower(&idleDeadline, to: transfer.lastProgress + idle)
            }
        }
    }

    /// How long to wait for something to happen; libcurl shortens it to its own next deadline.
    private var pollMilliseconds: Int32 {
        guard let idleDeadline else { return 3_600_000 }
        return Int32(clamping: max(0, (idleDeadline - .now).milliseconds + 1))
    }

    private func lower(_ deadline: inout ContinuousClock.Instant?, to instant: ContinuousClock.Instant) {
        deadline = deadline.map { min($0, instant) } ?? instant
    }

    private static let cancelled = TransferError(.cancelled, "The request was cancelled.")
}

/// What the thread gets to start with.
private final class EngineSeed: Sendable {
    let mailbox: Mailbox
    let configuration: HTTPClient.Configuration

    init(mailbox: Mailbox, configuration: HTTPClient.Configuration) {
        self.mailbox = mailbox
        self.configuration = configuration
    }
}

private func engineThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    // OpenSSL may write to a closed connection; the signal would end the process.
    var signals = sigset_t()
    sigfillset(&signals)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    Engine(Unmanaged<EngineSeed>.fromOpaque(context).takeRetainedValue()).run()
    return nil
}
