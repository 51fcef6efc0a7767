import CCurl
import Glibc

/// The engine's half of an exchange: libcurl's handle and the position in the request's body. Lives on the engine's
/// thread.
final class RunningTransfer {
    let exchange: Exchange
    let easy: EasyHandle
    /// Which addresses may be dialled; `nil` for any, for a unix socket and for a proxy, which dials itself.
    private let rule: AddressRule?
    /// What a callback found wrong; says more than the code that libcurl then reports.
    var failure: TransferError?
    /// When a byte last moved, or this side was last the one that made it wait.
    var lastProgress = ContinuousClock.now
    var isReceivingPaused = false
    var isSendingPaused = false

    private var parser = ResponseHeadParser()
    private var hasHead = false
    private var file: Int32 = -1
    private var position = 0

    init(_ exchange: Exchange, _ configuration: HTTPClient.Configuration) throws(TransferError) {
        self.exchange = exchange
        let isDirect = exchange.request.socket == nil && configuration.proxy == .direct
        rule = isDirect ? exchange.request.addressRule : nil
        var easy = try EasyHandle()
        try easy.configure(exchange.request, configuration)
        self.easy = consume easy
        try openBody()
        try connectCallbacks()
    }

    deinit {
        if file >= 0 { close(file) }
    }

    /// Whether the idle limit applies now: a side that waits for its own reader or its own body is not idle.
    var isWaitingForPeer: Bool { !isReceivingPaused && !isSendingPaused }

    /// Whether `peer` may be called; remembers the refusal if not.
    func permits(_ peer: PeerAddress?) -> Bool {
        guard let rule else { return true }
        if let peer, rule.permits(peer) { return true }
        failure = TransferError(
            .addressRefused, "\(exchange.request.target): the host has an address that may not be called from here.")
        return false
    }

    // MARK: What arrives

    func take(headerLine: UnsafeRawBufferPointer) -> Int {
        lastProgress = .now
        switch parser.take(headerLine) {
        case .more: break
        case .complete(let head):
            hasHead = true
            exchange.receive(head)
        case .tooLarge:
            failure = TransferError(
                .tooLarge, "The answer's head is larger than \(ResponseHeadParser.maximumSize) bytes.")
            return 0
        }
        return headerLine.count
    }

    func take(body bytes: UnsafeRawBufferPointer) -> Int {
        lastProgress = .now
        switch exchange.receive(bytes) {
        case .taken: return bytes.count
        case .pause:
            isReceivingPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        case .overflow:
            failure = TransferError(.tooLarge, "\(exchange.request.target): the answer is larger than its limit.")
            return 0
        }
    }

    // MARK: What is sent

    private func openBody() throws(TransferError) {
        guard case .file(let part) = exchange.request.body.content else { return }
        file = open(part.path, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard file >= 0, fstat(file, &status) == 0 else {
            throw TransferError(.bodyFailed, "\(part.path) cannot be read: \(String(cString: strerror(errno))).")
        }
        try self.easy.set(CURLOPT_INFILESIZE_LARGE, bytes: part.length ?? Int(status.st_size) - part.offset)
    }

    func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        lastProgress = .now
        switch exchange.request.body.content {
        case .none: return 0
        case .bytes(let bytes):
            let count = min(buffer.count, bytes.count - position)
            bytes.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
            }
            position += count
            return count
        case .file(let part):
            let most = part.length.map { min(buffer.count, $0 - position) } ?? buffer.count
            let count = pread(file, buffer.baseAddress, most, off_t(part.offset + position))
            guard count >= 0 else {
                return abort(
                    TransferError(.bodyFailed, "\(part.path) cannot be read: \(String(cString: strerror(errno)))."))
            }
            position += count
            return count
        case .stream:
            switch exchange.upload?.read(into: buffer) {
            case .bytes(let count): return count
            case .end, nil: return 0
            case .empty:
                isSendingPaused = true
                return Int(CURL_READFUNC_PAUSE)
            case .failure(let error): return abort(error)
            }
        }
    }

    /// libcurl sends the body from `offset` again, because a kept connection turned out to be dead.
    func seek(to offset: Int) -> Bool {
        if let upload = exchange.upload { return offset == 0 && upload.isUntouched }
        position = offset
        return true
    }

    private func abort(_ error: TransferError) -> Int {
        failure = error
        return Int(CURL_READFUNC_ABORT)
    }

    /// Goes on in both directions after a pause.
    func resume() {
        guard isReceivingPaused || isSendingPaused else { return }
        isReceivingPaused = false
        isSendingPaused = false
        lastProgress = .now
        curl_easy_pause(easy.raw, CURLPAUSE_CONT)
    }

    // MARK: The end

    /// What `code` means for the exchange.
    func result(_ code: CURLcode) -> Result<Void, TransferError> {
        if code == CURLE_OK { return .success(()) }
        if let failure { return .failure(failure) }
        let reason = easy.explanation(of: code)
        return .failure(
            TransferError(TransferError.Code(code, hasHead: hasHead), "\(exchange.request.target): \(reason)."))
    }

    private func connectCallbacks() throws(TransferError) {
        let context = Unmanaged.passUnretained(self).toOpaque()
        let raw = easy.raw
        try easy.check(kiln_easy_set_write(raw, CURLOPT_HEADERFUNCTION, headerArrived), CURLOPT_HEADERFUNCTION)
        try easy.check(kiln_easy_set_write(raw, CURLOPT_WRITEFUNCTION, bodyArrived), CURLOPT_WRITEFUNCTION)
        try easy.check(kiln_easy_set_read(raw, bodyWanted), CURLOPT_READFUNCTION)
        try easy.check(kiln_easy_set_seek(raw, bodyRewound), CURLOPT_SEEKFUNCTION)
        for option in [CURLOPT_HEADERDATA, CURLOPT_WRITEDATA, CURLOPT_READDATA, CURLOPT_SEEKDATA, CURLOPT_PRIVATE] {
            try easy.set(option, pointer: context)
        }
        try easy.check(kiln_easy_set_open_socket(raw, socketWanted), CURLOPT_OPENSOCKETFUNCTION)
        try easy.set(CURLOPT_OPENSOCKETDATA, pointer: context)
        if rule != nil {
            try easy.check(kiln_easy_set_before_request(raw, requestBegins), CURLOPT_PREREQFUNCTION)
            try easy.set(CURLOPT_PREREQDATA, pointer: context)
        }
    }
}
