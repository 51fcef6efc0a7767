import FoundationEssentials

extension TLSSettings.Trust {
    /// The system's authorities in one file, where Debian and images made from it have them.
    static let systemBundle = "/etc/ssl/certs/ca-certificates.crt"

    /// Itself, with the certificates of a file beside the system's read into memory.
    ///
    /// libcurl takes one file of authorities, and finds the system's others in a directory of links by hash. An image that has the system's
    /// one file alone would trust the other one's certificates only. A file that cannot be read is left for libcurl to complain of.
    func loaded(system bundle: String = systemBundle) -> Self {
        guard case .systemAnd(let path) = self, let own = FileManager.default.contents(atPath: path),
            let system = FileManager.default.contents(atPath: bundle)
        else { return self }
        return .onlyCertificates(pem: Array(system) + [10] + Array(own))
    }
}
