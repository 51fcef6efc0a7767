import Contract
import Crypto
import FoundationEssentials
import OCI

/// Turns modules as Deno fetched them (`remote/` in its cache) into what is baked: each proven by the lock, without the
/// time and the servers' chatter, and JSR's under its public address whatever mirror they came from.
struct RemoteModules {
    /// The public JSR.
    static let publicJSR = "https://jsr.io/"
    private static let marker = Array("\n// denoCacheMetadata=".utf8)
    /// The response headers that Deno reads again.
    private static let headers = ["content-type", "location", "x-typescript-types"]

    private struct Notes: Codable {
        var headers: [String: String]
        var time: Int
        var url: String
    }

    private struct Manifest: Decodable {
        struct Entry: Decodable { var checksum: String }
        var manifest: [String: Entry]
    }

    private struct PackageList: Encodable {
        var name: String
        var scope: String
        var versions: [String: [String: String]]
    }

    private struct Module {
        let url: String
        let headers: [String: String]
        let content: [UInt8]
    }

    private let lock: DenoLock
    private let jsrURL: String

    /// Modules of `lock`, which has JSR's from `jsrURL`.
    init(lock: DenoLock, jsrURL: String) {
        self.lock = lock
        self.jsrURL = jsrURL
    }

    /// The files to bake, by path below `remote`. Throws ``BuilderError`` `checkerAnswer` when one is not what the lock
    /// says, or is missing in it.
    func baked(_ files: [Resolution.File]) throws -> [(path: String, bytes: [UInt8])] {
        let modules = try files.map(Self.parse)
        let manifests = try manifests(modules)
        var result: [String: [UInt8]] = [:]
        for module in modules {
            let proven = try proven(module, manifests)
            result[try Self.path(of: proven.url)] = try Self.bytes(proven)
        }
        return result.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// The module as it is baked, once the lock says that it is right.
    private func proven(_ module: Module, _ manifests: [String: [String: Manifest.Entry]]) throws -> Module {
        let digest = Contract.Digest(bytes: SHA256.hash(data: module.content)).hex
        if lock.redirects[module.url] != nil || (module.headers["location"] != nil && module.content.isEmpty) {
            guard module.content.isEmpty else { throw Self.unproven(module.url) }
            return module
        }
        if let expected = lock.remote[module.url] {
            guard digest == expected else { throw Self.unproven(module.url) }
            return module
        }
        guard module.url.hasPrefix(jsrURL) else { throw Self.unproven(module.url) }
        let path = String(module.url.dropFirst(jsrURL.count))
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 3 else { throw Self.unproven(module.url) }
        let name = "\(parts[0])/\(parts[1])"
        let headers = module.headers.filter { $0.key != "location" }
        let url = Self.publicJSR + path
        if parts.count == 3, parts[2] == "meta.json" {
            return Module(url: url, headers: headers, content: try list(of: name))
        }
        if parts.count == 3, parts[2].hasSuffix("_meta.json") {
            let version = parts[2].dropLast("_meta.json".count)
            guard lock.jsr["\(name)@\(version)"] == digest else { throw Self.unproven(module.url) }
            return Module(url: url, headers: headers, content: module.content)
        }
        let inside = "/" + parts.dropFirst(3).joined(separator: "/")
        guard let entry = manifests["\(name)@\(parts[2])"]?[inside], entry.checksum == "sha256-\(digest)" else {
            throw Self.unproven(module.url)
        }
        return Module(url: url, headers: headers, content: module.content)
    }

    /// What JSR says of a package, with the locked versions only: the real list grows with every release.
    private func list(of name: String) throws -> [UInt8] {
        let versions = lock.jsr.keys.filter { $0.hasPrefix("\(name)@") }.map { String($0.dropFirst(name.count + 1)) }
        let parts = name.dropFirst().split(separator: "/").map(String.init)
        return try CanonicalJSON.encode(
            PackageList(
                name: parts.last ?? "", scope: parts.first ?? "",
                versions: Dictionary(uniqueKeysWithValues: versions.map { ($0, [:]) })))
    }

    /// The manifests of the JSR packages whose digests are locked.
    private func manifests(_ modules: [Module]) throws -> [String: [String: Manifest.Entry]] {
        var found: [String: [String: Manifest.Entry]] = [:]
        for module in modules where module.url.hasPrefix(jsrURL) && module.url.hasSuffix("_meta.json") {
            let name = module.url.dropFirst(jsrURL.count).dropLast("_meta.json".count)
            guard let slash = name.lastIndex(of: "/") else { continue }
            let key = "\(name[..<slash])@\(name[name.index(after: slash)...])"
            guard lock.jsr[key] == Contract.Digest(bytes: SHA256.hash(data: module.content)).hex else { continue }
            found[key] = try JSONDecoder().decode(Manifest.self, from: Data(module.content)).manifest
        }
        return found
    }

    private static func parse(_ file: Resolution.File) throws -> Module {
        guard let start = file.bytes.lastRange(of: marker),
            let notes = try? JSONDecoder().decode(Notes.self, from: Data(file.bytes[start.upperBound...])),
            try path(of: notes.url) == file.path
        else { throw BuilderError(.checkerAnswer, "The resolver sent a module without its address.") }
        let headers = Dictionary(notes.headers.map { ($0.key.lowercased(), $0.value) }) { $1 }
        return Module(
            url: notes.url, headers: headers.filter { Self.headers.contains($0.key) },
            content: Array(file.bytes[..<start.lowerBound]))
    }

    private static func bytes(_ module: Module) throws(OCIError) -> [UInt8] {
        let notes = Notes(headers: module.headers, time: 0, url: module.url)
        return module.content + marker + (try CanonicalJSON.encode(notes))
    }

    /// Where Deno keeps the module of a URL: by scheme, host and the digest of the rest.
    static func path(of url: String) throws(BuilderError) -> String {
        guard url.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), let parsed = URL(string: url), let scheme = parsed.scheme,
            scheme == "http" || scheme == "https", let host = parsed.host(), HostRule(host) != nil,
            let end = url.dropFirst(scheme.count + 3).firstIndex(of: "/")
        else { throw BuilderError(.checkerAnswer, "The resolver sent a module of no address.") }
        let folder = parsed.port.map { "\(host)_port_\($0)" } ?? host
        let rest = url[end...].prefix { $0 != "#" }
        return "\(scheme)/\(folder)/\(Contract.Digest(bytes: SHA256.hash(data: Array(rest.utf8))).hex)"
    }

    private static func unproven(_ url: String) -> BuilderError {
        BuilderError(.checkerAnswer, "The module \(url.prefix(300)) is not what the lock says.")
    }
}

extension [UInt8] {
    /// Where `pattern` is last.
    fileprivate func lastRange(of pattern: [UInt8]) -> Range<Int>? {
        guard count >= pattern.count else { return nil }
        for start in stride(from: count - pattern.count, through: 0, by: -1)
        where self[start..<start + pattern.count].elementsEqual(pattern) {
            return start..<start + pattern.count
        }
        return nil
    }
}
