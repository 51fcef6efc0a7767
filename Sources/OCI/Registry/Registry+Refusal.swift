internal import Transfer

extension Registry {
    /// An answer that says no. `what` begins the sentence; what to do about it ends it, where that is known.
    func refusal(_ answer: CollectedResponse, _ what: String, to act: RegistryAct = .read) -> OCIError {
        let refusal = RegistryRefusal(
            answer, to: act, account: authenticator.account, keeper: endpoint.keeper,
            isPlain: endpoint.url.hasPrefix("http://"))
        let reason = refusal.reason.isEmpty ? "" : ", \(refusal.reason)"
        return OCIError(
            refusal.code,
            "\(what): the registry answered \(answer.status)\(reason).\(refusal.advice.map { " " + $0 } ?? "")",
            status: answer.status, cause: nil, retryAfter: answer.headers["Retry-After"])
    }
}

/// What was asked of a registry.
enum RegistryAct: String, Sendable, CaseIterable {
    /// To show something.
    case read = "read it"
    /// To take something.
    case push = "push there"
    /// To remove something.
    case delete = "delete there"
}

/// What a refusal of a registry means, and what its operator or Kiln's can do about it.
struct RegistryRefusal {
    /// The kind of failure.
    let code: OCIError.Code
    /// The registry's own words, `CODE: message`.
    let reason: String
    /// What to do, as sentences; `nil` where nothing more is known.
    let advice: String?

    init(
        _ answer: CollectedResponse, to act: RegistryAct, account: RegistryAccount, keeper: RegistryEndpoint.Keeper,
        isPlain: Bool
    ) {
        let errors = (try? CanonicalJSON.decode(Body.self, from: answer.body, what: ""))?.errors ?? []
        let words = errors.map { [$0.code, $0.message].compactMap(\.self).joined(separator: ": ") }.joined(
            separator: "; ")
        reason = String(words.prefix(500).filter { !$0.isNewline })
        code = Self.code(answer.status, act, keeper)
        // What speaks TLS answers so to plain HTTP; to HEAD without a word.
        advice =
            answer.status == 400 && isPlain && (answer.body.isEmpty || Self.text(answer).contains("HTTPS"))
            ? "If it speaks TLS, leave out --registry-plain-http; on the loopback device, name its authority (--registry-ca FILE)."
            : Self.advice(answer, errors.compactMap(\.code), to: act, account, keeper)
    }

    private static func code(_ status: Int, _ act: RegistryAct, _ keeper: RegistryEndpoint.Keeper) -> OCIError.Code {
        switch status {
        case 401, 403: .unauthorized
        case 404: .notFound
        case 405 where act == .push && keeper == .kiln: .collecting
        case 413: .tooLarge
        default: .registry
        }
    }

    private static func advice(
        _ answer: CollectedResponse, _ codes: [String], to act: RegistryAct, _ account: RegistryAccount,
        _ keeper: RegistryEndpoint.Keeper
    ) -> String? {
        switch answer.status {
        case 401: return account.refused
        case 403: return account.forbidden(act.rawValue)
        case 404 where act == .push && !codes.contains("MANIFEST_UNKNOWN") && !codes.contains("BLOB_UNKNOWN"):
            return
                "This registry may make no repositories by itself, as ECR does not without a creation template: create this one there, or have "
                + "new ones created, and try again."
        case 405 where act == .push && keeper == .another:
            return "It is read-only: its operator has to let it take images again."
        case 429: return "It limits how often it may be asked; with credentials the limit may be higher."
        case 500..., 400:
            guard answer.status == 507 || isDiskFull(text(answer)) else { return nil }
            return "Its disk is full: give it room, or have garbage collected there."
        default: return nil
        }
    }

    /// distribution's file system driver names the error by its number, ENOSPC or EDQUOT; others by its words.
    private static func isDiskFull(_ body: String) -> Bool {
        body.contains("no space left on device") || body.contains("\"Err\":28") || body.contains("\"Err\":122")
            || body.contains("disk quota exceeded")
    }

    private static func text(_ answer: CollectedResponse) -> String {
        String(decoding: answer.body.prefix(16 << 10), as: UTF8.self)
    }

    /// OCI distribution-spec, "Error Codes".
    private struct Body: Decodable {
        struct Item: Decodable {
            var code: String?
            var message: String?
        }
        var errors: [Item]?
    }
}
