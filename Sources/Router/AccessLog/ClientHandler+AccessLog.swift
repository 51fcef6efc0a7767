import Contract
import NIOCore

// What is logged of a request, when that was asked for.
extension ClientHandler {
    /// `request` is over.
    func log(_ request: Request, to log: AccessLog) {
        // One that failed is always there.
        let failed = request.status == 0 || request.status >= 500 || (request.status < 400 && request.reason != nil)
        guard failed || log.takes(draw: { worker.random.next() }) else { return }
        let name: String? = if case .function(let name, _) = request.key { name } else { nil }
        log.append(
            entry(
                request.head, request.id, request.status, function: name, instance: request.servedBy,
                reason: request.reason, after: .now() - request.began, waited: request.sentAt - request.began,
                bytes: request.downloaded
            ).line(log.format))
    }

    /// A request was answered with `answer`, whose body had so many `bytes`, before it was one of a function's or a role's; without `head` it was none.
    func log(_ head: RequestHead?, _ id: RequestID, _ answer: RouterAnswer, _ bytes: Int, to log: AccessLog) {
        guard let head, answer.status >= 500 || log.takes(draw: { worker.random.next() }) else { return }
        log.append(
            entry(
                head, id, answer.status, function: nil, instance: nil, reason: answer.reason, after: .zero,
                waited: .zero,
                bytes: bytes
            ).line(log.format))
    }

    private func entry(
        _ head: RequestHead, _ id: RequestID, _ status: Int, function: String?, instance: String?, reason: String?,
        after duration: TimeAmount, waited: TimeAmount, bytes: Int
    ) -> AccessLogEntry {
        AccessLogEntry(
            time: .now(), requestID: id.text(head.head), client: String(buffer: client.address),
            method: head.head.text(0..<head.methodEnd), target: String(head.head.text(head.target).prefix(2_000)),
            version: "HTTP/\(protocolVersion(head))", status: status, reason: reason, function: function,
            instance: instance, nanoseconds: duration.nanoseconds,
            waitedNanoseconds: waited.nanoseconds, bytes: bytes)
    }
}
