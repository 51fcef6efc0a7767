import Contract
import FoundationEssentials

/// Where the secrets of one machine are: a file each, mode 0600, in a directory of mode 0700.
struct SecretFiles: Sendable {
    /// Most bytes of one secret.
    static let valueLimit = 64 << 10

    let directory: String

    func value(_ name: String) -> String? {
        guard EnvironmentName.problem(with: name) == nil,
            let data = FileManager.default.contents(atPath: directory + "/" + name)
        else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}
