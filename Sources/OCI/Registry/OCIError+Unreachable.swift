internal import Transfer

extension OCIError {
    /// A request to `address` that got no answer, with the reason and, where it is known, what to do about it. `what` begins the sentence.
    init(_ error: TransferError, _ what: String, asking address: WebAddress, isRegistry: Bool) {
        let reason = error.message.hasSuffix(".") ? String(error.message.dropLast()) : error.message
        let advice = Self.advice(error, address, isRegistry: isRegistry)
        self.init(error, "\(what): \(reason).\(advice.map { " " + $0 } ?? "")")
    }

    private static func advice(_ error: TransferError, _ address: WebAddress, isRegistry: Bool) -> String? {
        switch error.code {
        case .cannotConnect where isRegistry: "Is it running, and is its name right?"
        case .addressRefused:
            "It leads to \(address.host), which is not on the public internet: if it may, say so (--registry-trusted-host \(address.host))."
        case .tls: advice(onTLS: error.message)
        default: nil
        }
    }

    /// Told apart by OpenSSL's own words, which are part of libcurl's.
    private static func advice(onTLS words: String) -> String? {
        if words.contains("issuer certificate") || words.contains("self-signed") || words.contains("self signed") {
            "Its certificate is signed by nobody who is trusted here: name the certificate of its authority (--registry-ca FILE)."
        } else if words.contains("wrong version number") || words.contains("packet length") {
            "It does not speak TLS: if it is meant to be without, say so (--registry-plain-http)."
        } else if words.contains("subject name") {
            "Its certificate is for another name: use that one, or have the certificate made for this one too."
        } else if words.contains("expired") {
            "Its operator has to renew its certificate."
        } else {
            nil
        }
    }
}
