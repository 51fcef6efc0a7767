import Contract
import OCI

/// What a function imports from elsewhere, as entries of two layers: a cache directory of Deno's at `/deno` with the lock, the npm
/// packages and the other modules; and above it what one version of Deno makes of them. The same lock makes the same layers on any
/// machine.
struct DependencyLayer {
    /// Where it is in the image.
    static let directory = "deno"
    /// Where npm packages are below it: under the public registry, whatever mirror they came from.
    private static let packages = "\(directory)/npm/registry.npmjs.org"

    private var files: [String: [UInt8]] = [:]
    private var caches: [String: [UInt8]] = [:]

    /// Takes a module from the web.
    mutating func add(_ path: String, _ bytes: [UInt8]) { files["\(Self.directory)/remote/\(path)"] = bytes }

    /// Takes what Deno made of the modules. Throws ``BuilderError`` `checkerAnswer` for any other file.
    mutating func add(cache path: String, _ bytes: [UInt8]) throws(BuilderError) {
        let module = path.hasPrefix("gen/") && path.hasSuffix(".js") ? path.dropFirst(4).dropLast(3) : ""
        guard DenoCaches.isExpected(path, bytes) || files["\(Self.directory)/remote/\(module)"] != nil else {
            throw BuilderError(.checkerAnswer, "The resolver sent the cache \(path.prefix(300)) of no module.")
        }
        caches["\(Self.directory)/\(path)"] = bytes
    }

    /// Takes the lock.
    mutating func add(lock: [UInt8]) { files["\(Self.directory)/deno.lock"] = lock }

    /// Takes a package's files as the directory `folder`, `NAME/VERSION`.
    mutating func add(package folder: String, _ content: [Tarball.File]) {
        for file in content { files["\(Self.packages)/\(folder)/\(file.path)"] = file.bytes }
    }

    /// Bytes and number of the files that were resolved.
    var size: (bytes: Int, files: Int) { (files.values.reduce(0) { $0 + $1.count }, files.count) }

    /// The entries of what was resolved.
    var modules: [LayerEntry] { Self.entries(files) }

    /// The entries of what Deno made of it; none when it could not.
    var derived: [LayerEntry] { Self.entries(caches) }

    /// Those of ``derived`` that serve on any processor.
    var portable: [LayerEntry] {
        Self.entries(caches.filter { DenoCaches.isPortable(String($0.key.dropFirst(Self.directory.count + 1))) })
    }

    /// Entries with their directories. A file that is in the way of a directory is left out: archives may have both.
    private static func entries(_ files: [String: [UInt8]]) -> [LayerEntry] {
        let directories = LayerEntry.directories(above: files.keys)
        return directories.map { .directory($0) }
            + files.filter { !directories.contains($0.key) }.map { .file($0.key, $0.value) }
    }

    /// The directory in which Deno keeps the package `name`. Names with capitals, which only old packages have, are
    /// encoded, because some file systems would take them for others.
    static func folder(of name: String) -> String {
        guard name != name.lowercased() else { return name }
        return "_" + base32(Array(name.utf8))
    }

    /// Base32 in lower case without padding (RFC 4648, 6).
    private static func base32(_ bytes: [UInt8]) -> String {
        let digits = Array("abcdefghijklmnopqrstuvwxyz234567")
        var text = ""
        var bits = 0
        var value = 0
        for byte in bytes {
            value = value << 8 | Int(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                text.append(digits[value >> bits & 31])
            }
            value &= 255
        }
        if bits > 0 { text.append(digits[value << (5 - bits) & 31]) }
        return text
    }
}
