extension Platform {
    /// The platform that `text` names as `OS/ARCHITECTURE[/VARIANT]`, e.g. `linux/arm64`, in the one form in which it is compared: `linux/arm64/v8`
    /// is `linux/arm64`, which has no other variant (containerd, platforms "Normalization"). Throws `malformed` for anything else.
    package init(_ text: String) throws(OCIError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let arePlain = parts.allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy { (48...57).contains($0) || (97...122).contains($0) || "._-".utf8.contains($0) }
        }
        guard text.utf8.count <= 100, (2...3).contains(parts.count), arePlain else {
            throw OCIError(
                .malformed,
                "'\(text.prefix(100))' is no platform: write it as linux/amd64 or linux/arm64, in small letters.")
        }
        self.init(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
        if architecture == "arm64", variant == "v8" { variant = nil }
    }
}
