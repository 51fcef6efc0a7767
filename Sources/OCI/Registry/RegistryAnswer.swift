internal import Transfer

/// What answers have in common, whether their body is there or still to come.
protocol RegistryAnswer: Sendable {
    var status: Int { get }
    var headers: HeaderFields { get }
    /// Gives the answer up, so that its connection can be used again.
    func discard() async
}

extension CollectedResponse: RegistryAnswer {
    func discard() async {}
}

extension ClientResponse: RegistryAnswer {
    func discard() async { _ = try? await body.collect(limit: 64 << 10) }
}

extension OCIError {
    /// A transfer that failed.
    init(_ error: TransferError, _ message: String) {
        let code: Code =
            switch error.code {
            case .cancelled: .cancelled
            case .addressRefused: .locationRefused
            case .tooLarge: .tooLarge
            case .bodyFailed: .file
            default: .unreachable
            }
        self.init(code, message, cause: error)
    }

    /// An answer that says no. `what` begins the sentence.
    init(refusal answer: CollectedResponse, _ what: String) {
        let code: Code =
            switch answer.status {
            case 401, 403: .unauthorized
            case 404: .notFound
            case 413: .tooLarge
            default: .registry
            }
        let errors = (try? CanonicalJSON.decode(ErrorBody.self, from: answer.body, what: ""))?.errors ?? []
        let reason = errors.map { [$0.code, $0.message].compactMap(\.self).joined(separator: ": ") }.joined(
            separator: "; ")
        self.init(
            code, "\(what): the registry answered \(answer.status)\(reason.isEmpty ? "" : ", \(reason.prefix(500))").",
            status: answer.status, cause: nil, retryAfter: answer.headers["Retry-After"])
    }

    /// OCI distribution-spec, "Error Codes".
    private struct ErrorBody: Decodable {
        struct Item: Decodable {
            var code: String?
            var message: String?
        }
        var errors: [Item]?
    }
}
