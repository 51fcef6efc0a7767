package import Contract
import Crypto
import FoundationEssentials

/// The private key by which a Builder vouches for what it made: ECDSA on P-256, as cosign's.
package struct SigningKey: Sendable {
    private let key: P256.Signing.PrivateKey

    /// A new key.
    package init() { key = P256.Signing.PrivateKey() }

    /// The key in `pem`: PKCS #8 or SEC 1, not encrypted. Throws `unsupported` with a sentence that says what to do about anything else; `what` names
    /// where it came from.
    package init(pem: String, what: String) throws(OCIError) {
        guard !pem.contains("ENCRYPTED") else {
            throw OCIError(
                .unsupported,
                "The key in \(what) is encrypted, and nobody is there to ask for its password. Use one that is not: "
                    + "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out kiln.key")
        }
        guard let key = try? P256.Signing.PrivateKey(pemRepresentation: Self.keyPart(of: pem)) else {
            throw OCIError(
                .unsupported,
                "\(what) holds no private key on the curve P-256 in PEM. This makes one: "
                    + "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out kiln.key")
        }
        self.key = key
    }

    /// The key as PKCS #8 in PEM.
    package var pem: String { key.pemRepresentation + "\n" }

    /// The key that signatures are verified with.
    package var verifyingKey: VerifyingKey { VerifyingKey(key.publicKey) }

    /// The signature over `bytes`: ECDSA over their SHA-256, in ASN.1. Another one each time.
    package func signature(over bytes: [UInt8]) throws(OCIError) -> [UInt8] {
        do {
            return Array(try key.signature(for: bytes).derRepresentation)
        } catch {
            throw OCIError(.library, "The image could not be signed.", cause: error)
        }
    }

    /// `openssl ecparam -genkey` writes the curve's parameters before the key.
    private static func keyPart(of pem: String) -> String {
        let marks = ["-----BEGIN EC PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"]
        for mark in marks { if let start = pem.firstRange(of: mark) { return String(pem[start.lowerBound...]) } }
        return pem
    }
}

/// The public key to a ``SigningKey``.
package struct VerifyingKey: Sendable, Hashable {
    /// The key in ASN.1 (SubjectPublicKeyInfo).
    private let der: [UInt8]
    /// The key in PEM.
    package let pem: String
    /// The SHA-256 of the key in ASN.1: what names it.
    package let id: Contract.Digest

    init(_ key: P256.Signing.PublicKey) {
        der = Array(key.derRepresentation)
        pem = key.pemRepresentation + "\n"
        id = ContentHash.digest(of: der)
    }

    /// The key in `pem`; throws `unsupported` when there is none. `what` names where it came from.
    package init(pem: String, what: String) throws(OCIError) {
        guard let key = try? P256.Signing.PublicKey(pemRepresentation: pem) else {
            throw OCIError(
                .unsupported,
                "\(what) holds no public key on the curve P-256 in PEM, as 'kiln key' and 'openssl pkey -pubout' print it."
            )
        }
        self.init(key)
    }

    /// Whether `signature` (ASN.1) is this key's over `bytes`.
    package func verifies(_ signature: [UInt8], over bytes: [UInt8]) -> Bool {
        guard let key = try? P256.Signing.PublicKey(derRepresentation: der),
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: signature)
        else { return false }
        return key.isValidSignature(signature, for: bytes)
    }
}
