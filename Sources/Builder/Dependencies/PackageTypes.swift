import Contract
import FoundationEssentials
import OCI

/// What a type checker has to know of the modules that a function imports: of a dependency layer, the declarations, and
/// everything else by its name alone.
package struct PackageTypes: Sendable {
    /// The digest of the layer, by which a checker remembers it.
    package let digest: Digest
    private let layer: @Sendable () async throws -> [UInt8]
    private let settings: DependencySettings

    /// The types in the layer with `digest`, whose gzipped tar `layer` gives.
    init(digest: Digest, settings: DependencySettings, layer: @escaping @Sendable () async throws -> [UInt8]) {
        self.digest = digest
        self.settings = settings
        self.layer = layer
    }

    private struct Frame: Encodable {
        var file: String?
        var size: Int?
        var end: Bool?
    }

    /// The body of a `POST /packages` (`base-image/packages.js`).
    func content() async throws(BuilderError) -> [UInt8] {
        do {
            return try await Self.frames(of: try await layer(), settings)
        } catch let error as BuilderError {
            throw error
        } catch {
            throw BuilderError(.dependencies, "The types of the function's imports cannot be read.", cause: error)
        }
    }

    /// Unpacks: away from the caller's executor.
    @concurrent
    private static func frames(of layer: [UInt8], _ settings: DependencySettings) async throws -> [UInt8] {
        // Paths in it begin with the directory of all dependencies, as those of npm's archives do with theirs. Caches are
        // in the layer beside the modules that they are of.
        let files = try Tarball.files(
            in: layer, maximumSize: 3 * settings.bytes, maximumFiles: 3 * settings.files)
        var bytes: [UInt8] = []
        for file in files {
            guard let content = content(of: file) else { continue }
            append(Frame(file: file.path, size: content.count), to: &bytes)
            bytes += content
        }
        append(Frame(end: true), to: &bytes)
        return bytes
    }

    private static func append(_ frame: Frame, to bytes: inout [UInt8]) {
        let json = Array((try? JSONEncoder().encode(frame)) ?? Data())
        withUnsafeBytes(of: UInt32(json.count).bigEndian) { bytes += $0 }
        bytes += json
    }

    /// What a checker reads of a file; `nil` for one that it never looks at.
    static func content(of file: Tarball.File) -> [UInt8]? {
        guard file.path.hasPrefix("npm/") else {
            return file.path.hasPrefix("remote/") || file.path == "deno.lock" ? file.bytes : nil
        }
        let name = file.path.split(separator: "/").last ?? ""
        if [".json", ".ts", ".mts", ".cts", ".tsx"].contains(where: { name.hasSuffix($0) }) {
            return file.bytes
        }
        // That there is code says which module is meant; what is in it says nothing of types.
        return [".js", ".mjs", ".cjs", ".jsx", ".wasm", ".node"].contains { name.hasSuffix($0) } ? [] : nil
    }
}
