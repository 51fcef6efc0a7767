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
}
