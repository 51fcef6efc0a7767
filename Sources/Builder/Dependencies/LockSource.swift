import Contract
import FoundationEssentials
import OCI

/// What the versions of a function's imports are taken from.
package enum LockSource: Sendable, Hashable {
    /// Nothing: the newest of each range.
    case none
    /// The lock of the live revision: what it has is kept, what is new is chosen.
    case kept(DenoLock)
    /// The function's own `deno.lock`: it has to have everything.
    case file(DenoLock)

    /// The name of a function's own lock among its files.
    static let path = "deno.lock"

    /// The lock.
    var lock: DenoLock? {
        switch self {
        case .none: nil
        case .kept(let lock), .file(let lock): lock
        }
    }

    /// Whether it has to have everything.
    var isFrozen: Bool { if case .file = self { true } else { false } }

    /// The function's own lock, if `source` has one; throws a 422 ``Contract/Problem`` for one that cannot be read.
    static func file(of source: FunctionSource) throws -> LockSource? {
        guard case .files(let tree) = source, let bytes = try tree.bytes(of: path) else { return nil }
        guard let lock = try? DenoLock(String(decoding: bytes, as: UTF8.self)) else {
            let message =
                "This is no lock file of version 5, which Deno writes since 2.3: write it with 'deno install' or "
                + "'deno cache --lock', or leave it out."
            throw Problem(
                "outdated-lock", 422, "The lock cannot be used", "\(path): \(message)",
                diagnostics: [.init(file: path, line: 1, column: 1, code: "outdated-lock", message: message)])
        }
        return .file(lock)
    }
}

extension Optional<DenoLock> {
    /// What identifies it among the inputs of an image; `nil` for none.
    func digest() throws(OCIError) -> Contract.Digest? {
        guard let self else { return nil }
        return try self.digest()
    }
}
