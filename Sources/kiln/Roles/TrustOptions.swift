import ArgumentParser
import Deployer
import OCI

/// Which images may run; options of `kiln deployer` and `kiln up` alike.
struct TrustOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Run only images signed by the key to this public one (PEM, P-256); may be repeated: one of them is enough.",
            valueName: "file"), completion: .file())
    var verifyKey: [String] = []

    /// What lets images through; `nil` lets all.
    func trust(_ registry: Registry) throws -> (any ImageTrust)? {
        let keys = try keys()
        return keys.isEmpty ? nil : SignatureDemand(registry, keys: keys)
    }

    /// The keys.
    func keys() throws -> [VerifyingKey] {
        try Setting.list(verifyKey, "VERIFY_KEY").map { try KeyFile.verifyingKey($0) }
    }

    /// The same options as arguments for a child.
    var arguments: [String] { ChildArguments.options("--verify-key", verifyKey) }
}
