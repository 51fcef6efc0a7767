import Contract
import FoundationEssentials

/// Where the secrets of one machine are: a file each, mode 0600, in a directory of mode 0700.
struct SecretFiles: Sendable {
    /// Most bytes of one secret as `flag`, else the setting, has it.
    static func limit(_ flag: String?) throws -> Int {
        guard let text = flag ?? Setting.optional("MAX_SECRET_BYTES") else { return 64 << 10 }
        guard let bytes = Quantity.bytes(text), (1...120 << 10).contains(bytes) else {
            throw StartError("--max-secret-bytes cannot be '\(text)': use 1 to 120Ki bytes.")
        }
        return Int(bytes)
    }

    let directory: String

    func value(_ name: String) -> String? {
        guard EnvironmentName.problem(with: name) == nil,
            let data = FileManager.default.contents(atPath: directory + "/" + name)
        else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}
