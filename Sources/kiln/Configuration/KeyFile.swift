import FoundationEssentials
import Glibc
import OCI

/// Keys in files.
enum KeyFile {
    /// The longest file that is read, in bytes.
    private static let limit = 64 << 10

    /// The private key in the file at `path`.
    static func signingKey(_ path: String) throws -> SigningKey {
        let text = try text(path)
        do throws(OCIError) { return try SigningKey(pem: text, what: path) } catch { throw StartError(error.message) }
    }

    /// The public key in the file at `path`.
    static func verifyingKey(_ path: String) throws -> VerifyingKey {
        let text = try text(path)
        do throws(OCIError) { return try VerifyingKey(pem: text, what: path) } catch { throw StartError(error.message) }
    }

    /// The key of the installation in `state`: made once, and for good.
    static func own(_ state: StateDirectory) throws -> SigningKey {
        if access(state.signingKey, F_OK) != 0 {
            try DurableFile.write(Array(SigningKey().pem.utf8), to: state.signingKey)
        }
        do { return try signingKey(state.signingKey) } catch {
            throw StartError(
                "The file \(state.signingKey) is damaged: it holds no private key. Put it back from a backup; or move it away, and Kiln makes a new one, "
                    + "by which what was signed before is not verified.")
        }
    }

    /// Writes down the public key to what is signed with in `state`.
    static func publish(_ key: VerifyingKey, in state: StateDirectory) throws {
        if (try? text(state.verifyingKey)) != key.pem {
            try DurableFile.write(Array(key.pem.utf8), to: state.verifyingKey)
        }
    }

    private static func text(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw StartError("The key file \(path) cannot be read.")
        }
        guard data.count <= limit else { throw StartError("\(path) is too large for a key.") }
        return String(decoding: data, as: UTF8.self)
    }
}
