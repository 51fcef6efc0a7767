import Contract
import FoundationEssentials
import OCI

/// A lock file of Deno's, version 5: which versions and contents the imports of a function stand for.
package struct DenoLock: Sendable, Hashable {
    /// An npm package in one version.
    struct Package: Sendable, Hashable {
        let name: String
        let version: String
        /// What its archive hashes to: `sha512-` and Base64 (W3C Subresource Integrity).
        let integrity: String
        /// Where the archive is, when that does not follow from the registry.
        let archive: String?
    }

    private var document: [String: JSONValue]

    /// Parses the text of a lock file; throws ``BuilderError`` `checkerAnswer` for anything else.
    package init(_ text: String) throws(BuilderError) {
        let value = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        guard let document = value?.members, document["version"]?.text == "5" else {
            throw BuilderError(.checkerAnswer, "The resolver sent a lock that cannot be read.")
        }
        self.document = document
    }

    /// What each `npm:` and `jsr:` specifier stands for: a version.
    package var specifiers: [String: String] { texts("specifiers") }
    /// The digest of the content of each module from elsewhere: SHA-256 in hexadecimal digits, by URL.
    var remote: [String: String] { texts("remote") }
    /// Where a URL leads that has no content of its own.
    var redirects: [String: String] { texts("redirects") }

    /// The digest of the manifest of each JSR package, by `@scope/name@version`.
    var jsr: [String: String] {
        (document["jsr"]?.members ?? [:]).compactMapValues { $0.members?["integrity"]?.text }
    }

    /// What is said of each npm package, by `NAME@VERSION` and what it was given as peers.
    var npm: [String: JSONValue] { document["npm"]?.members ?? [:] }

    /// The npm packages. Packages that differ only in what they were given as peers are one.
    func packages() throws(BuilderError) -> [Package] {
        var found: Set<Package> = []
        for (key, value) in npm {
            guard let at = key.dropFirst().firstIndex(of: "@"), let integrity = value.members?["integrity"]?.text,
                integrity.utf8.count <= 200
            else {
                throw BuilderError(.checkerAnswer, "The resolver sent a lock with a package that is not identified.")
            }
            let name = String(key[..<at])
            let version = String(key[key.index(after: at)...].prefix { $0 != "_" })
            guard Self.isName(name), Self.isVersion(version) else {
                throw BuilderError(.checkerAnswer, "The resolver sent a lock with a package of no name.")
            }
            found.insert(
                Package(
                    name: name, version: version, integrity: integrity, archive: value.members?["tarball"]?.text))
        }
        return found.sorted { ($0.name, $0.version) < ($1.name, $1.version) }
    }

    /// Most names of ``names()``.
    static let mostNames = 1000

    /// What is locked, as `npm:NAME@VERSION`, `jsr:NAME@VERSION` and URLs: what the function names itself first.
    package func names() throws(BuilderError) -> [String] {
        let direct = specifiers.compactMap { specifier, version -> String? in
            guard let at = specifier.lastIndex(of: "@"), let scheme = specifier.firstIndex(of: ":"),
                at > specifier.index(after: scheme)
            else { return nil }
            return "\(specifier[..<at])@\(version.prefix { $0 != "_" })"
        }
        let all =
            try packages().map { "npm:\($0.name)@\($0.version)" } + jsr.keys.sorted().map { "jsr:\($0)" }
            + remote.keys.sorted()
        var seen: Set<String> = []
        return Array((direct.sorted() + all).filter { seen.insert($0).inserted }.prefix(Self.mostNames))
    }

    /// The lock as it is kept for the next deploy: with the addresses of archives that the npm registry at `registry`, a URL, has at paths of its own, for Deno asks at the
    /// usual one by a lock that says nothing else. What is there, as in most mirrors, or somewhere else, which Deno does not read, says nothing of the packages.
    func located(in registry: String) -> DenoLock {
        let addresses = (try? packages())?.map { Self.usualArchive($0.name, $0.version, in: registry) }
        let usual = Set(addresses ?? [])
        return keepingArchives { address in
            guard !usual.contains(address), let address = URL(string: address), let registry = URL(string: registry)
            else { return false }
            return address.scheme == registry.scheme && address.host() == registry.host()
                && address.port == registry.port
        }
    }

    /// The lock as a function runs by it: without addresses of archives. Deno refuses those of another registry than its own, and needs none.
    func withoutArchives() -> DenoLock { keepingArchives { _ in false } }

    /// Where npm's registry, and most others, have an archive. `registry` ends with `/`.
    static func usualArchive(_ name: String, _ version: String, in registry: String) -> String {
        "\(registry)\(name)/-/\(name.split(separator: "/").last ?? "")-\(version).tgz"
    }

    private func keepingArchives(where isKept: (String) -> Bool) -> DenoLock {
        var lock = self
        lock.document["npm"] = document["npm"]?.members.map { packages in
            .object(
                packages.mapValues { value in
                    guard var members = value.members, let archive = members["tarball"] else { return value }
                    if archive.text.map(isKept) != true { members["tarball"] = nil }
                    return .object(members)
                })
        }
        return lock
    }

    /// The lock as it is baked: compact, with sorted keys.
    package func baked() throws(OCIError) -> [UInt8] { try CanonicalJSON.encode(JSONValue.object(document)) }

    /// What tells locks apart: a digest of the lock without where its archives are, because the same packages from another mirror are the same.
    func digest() throws(OCIError) -> Contract.Digest {
        var hash = InputHash()
        hash.add(try withoutArchives().baked())
        return hash.digest()
    }

    /// The lock as text.
    func text() throws(OCIError) -> String {
        String(decoding: try CanonicalJSON.encode(JSONValue.object(document)), as: UTF8.self)
    }

    private func texts(_ section: String) -> [String: String] {
        (document[section]?.members ?? [:]).compactMapValues(\.text)
    }

    /// Whether a text is a package's name: it becomes part of a path and of a URL.
    static func isName(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard text.utf8.count <= 214, parts.count == (text.hasPrefix("@") ? 2 : 1) else { return false }
        return parts.allSatisfy { part in
            let bare = part.hasPrefix("@") ? part.dropFirst() : part
            return !bare.isEmpty && !bare.hasPrefix(".") && bare.utf8.allSatisfy(isPlain)
        }
    }

    /// Whether a text is a version (semver.org, 2.0.0).
    static func isVersion(_ text: String) -> Bool {
        guard let first = text.utf8.first, (48...57).contains(first), text.utf8.count <= 256 else { return false }
        return text.utf8.allSatisfy { isPlain($0) && $0 != 95 || $0 == 43 }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || "-._~".utf8.contains(byte)
    }
}
