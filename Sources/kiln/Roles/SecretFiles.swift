import Contract
import FoundationEssentials
import Glibc

/// Where the secrets of one machine are: a file each, mode 0600, in a directory of mode 0700.
struct SecretFiles: Sendable {
    /// Most bytes of one secret as `flag`, else the setting, has it.
    static func limit(_ flag: String?) throws -> Int {
        Int(try Setting.bytes(flag, "--max-secret-bytes", in: 1...120 << 10) ?? 64 << 10)
    }

    let directory: String

    /// The value of the secret `name`; `nil` when there is none. Throws a sentence when its file cannot be what 'kiln secret set' wrote.
    func value(_ name: String) throws -> String? {
        let path = directory + "/" + name
        guard EnvironmentName.problem(with: name) == nil, access(path, F_OK) == 0 else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else { throw damaged(name, "cannot be read") }
        guard !data.contains(0) else { throw damaged(name, "has a NUL byte") }
        guard let text = String(validating: data, as: UTF8.self) else { throw damaged(name, "is not UTF-8") }
        return text
    }

    private func damaged(_ name: String, _ what: String) -> StartError {
        StartError("its file \(directory)/\(name) \(what). Store it again with 'kiln secret set \(name)'")
    }
}
