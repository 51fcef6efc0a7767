import Contract
import FoundationEssentials
import OCI

/// Something that an image has in it and that was not made here.
struct Component: Sendable, Hashable {
    /// A digest under the name of its algorithm, e.g. `sha512`.
    struct Checksum: Sendable, Hashable {
        var algorithm: String
        var hex: String
    }

    /// What kind of thing it is: a word for its identifier in documents.
    var kind: String
    var name: String
    var version: String?
    /// Its package URL (purl-spec).
    var purl: String
    /// Where it can be had; `nil` when that is not said anywhere.
    var location: String?
    var checksum: Checksum?
    /// Whether the function names it itself.
    var isDirect = false

    /// The base image and the Deno in it, then what is imported: npm, JSR, the web, by name.
    static func all(of image: MultiPlatformImage) throws(BuilderError) -> [Component] {
        let notes = ImageNotes(image)
        var all: [Component] = []
        if let base = notes.base {
            all.append(
                Component(
                    kind: "base", name: notes.baseName ?? "base", purl: "pkg:oci/base@\(escaped(base.description))",
                    checksum: .init(algorithm: "sha256", hex: base.hex), isDirect: true))
        }
        if let deno = notes[ImageNotes.deno] {
            all.append(
                Component(
                    kind: "deno", name: "deno", version: deno, purl: "pkg:github/denoland/deno@v\(escaped(deno))",
                    location: "https://github.com/denoland/deno/releases/tag/v\(escaped(deno))", isDirect: true))
        }
        guard let lock = try notes.lock else { return all }
        return all + (try imported(lock))
    }

    private static func imported(_ lock: DenoLock) throws(BuilderError) -> [Component] {
        let direct = Set(try lock.names().prefix(lock.specifiers.count))
        var all: [Component] = []
        for package in try lock.packages() {
            let file = package.name.split(separator: "/").last.map(String.init) ?? package.name
            all.append(
                Component(
                    kind: "npm", name: package.name, version: package.version,
                    purl: "pkg:npm/\(path(package.name))@\(escaped(package.version))",
                    location: "https://registry.npmjs.org/\(package.name)/-/\(file)-\(package.version).tgz",
                    checksum: checksum(package.integrity),
                    isDirect: direct.contains("npm:\(package.name)@\(package.version)")))
        }
        for (key, hex) in lock.jsr.sorted(by: { $0.key < $1.key }) {
            guard let at = key.lastIndex(of: "@") else { continue }
            let (name, version) = (String(key[..<at]), String(key[key.index(after: at)...]))
            all.append(
                Component(
                    kind: "jsr", name: name, version: version, purl: "pkg:jsr/\(path(name))@\(escaped(version))",
                    location: "https://jsr.io/\(name)/\(version)_meta.json",
                    checksum: .init(algorithm: "sha256", hex: hex), isDirect: direct.contains("jsr:\(key)")))
        }
        for (url, hex) in lock.remote.sorted(by: { $0.key < $1.key }) {
            let name = url.split(separator: "/").last.map(String.init) ?? url
            all.append(
                Component(
                    kind: "web", name: url,
                    purl: "pkg:generic/\(escaped(name))?checksum=sha256:\(hex)&download_url=\(escaped(url))",
                    location: url, checksum: .init(algorithm: "sha256", hex: hex)))
        }
        return all
    }

    /// The digest in a text of W3C Subresource Integrity: `sha512-` and Base64.
    private static func checksum(_ integrity: String) -> Checksum? {
        let halves = integrity.split(separator: "-", maxSplits: 1)
        guard halves.count == 2, ["sha1", "sha256", "sha384", "sha512"].contains(halves[0]),
            let bytes = Data(base64Encoded: String(halves[1]))
        else { return nil }
        let digits = Array("0123456789abcdef")
        return Checksum(
            algorithm: String(halves[0]), hex: String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }))
    }

    /// A name with its namespace as a path: `%40scope/name`.
    private static func path(_ name: String) -> String {
        name.split(separator: "/").map { escaped(String($0)) }.joined(separator: "/")
    }

    /// Percent-encoded but for what needs it nowhere (RFC 3986 §2.3).
    static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += ["%", String(digits[Int(byte >> 4)]), String(digits[Int(byte & 15)])].joined()
            }
        }
    }
}
