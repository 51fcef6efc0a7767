import Glibc

extension DeployerError {
    /// What the last failed system call says, as `Cannot <action>: <reason>`.
    static func system(_ action: String, code: Code = .runtime) -> DeployerError {
        DeployerError(code, "Cannot \(action): \(String(cString: strerror(errno))).")
    }
}
