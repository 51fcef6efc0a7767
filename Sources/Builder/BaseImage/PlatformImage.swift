import FoundationEssentials
import OCI

/// Kiln's own image: this executable with what it loads, and Deno, for running the roles on a cluster.
///
/// Made without a container engine, from files of this machine: what the running process has loaded is what it needs.
package struct PlatformImage: Sendable {
    /// Where `make install` puts the executable, and Deno beside it.
    package static let executable = "/usr/local/bin/kiln"
    private static let deno = "/usr/local/lib/kiln/deno"
    /// Names with other letters than ASCII's in archives need it.
    private static let locale = "/usr/lib/locale/C.utf8"
    /// Authorities for registries and a cluster's API over TLS, where curl looks for them on Debian.
    private static let authorities = "/etc/ssl/certs/ca-certificates.crt"

    /// The image; its layers' content is in the cache.
    package let image: OCI.Image

    /// Bakes the image in `cache`, with the Deno program at `deno` and `libraries`, the paths of those that this process has
    /// loaded. Reads and compresses some 300 MB: away from the caller's executor. Throws ``BuilderError`` `recipe` for what is
    /// missing on this machine, and `OCIError`.
    @concurrent
    package init(deno: String, libraries: [String], cache: BlobCache) async throws {
        guard FileManager.default.isExecutableFile(atPath: deno) else {
            throw BuilderError(.recipe, "There is no Deno at \(deno): fetch it with scripts/fetch-deno.sh.")
        }
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        // What changes least is lowest.
        let layers = [
            ("kiln: libraries", try Self.system(libraries)),
            ("kiln: deno", [.file(Self.relative(Self.deno), copying: deno, mode: 0o755)]),
            ("kiln: executable", [.file(Self.relative(Self.executable), copying: program, mode: 0o755)]),
        ]
        var builder = ImageBuilder()
        for (name, entries) in layers {
            let named = Set(entries.map(\.path))
            let all = LayerEntry.directories(of: entries).filter { !named.contains($0.path) } + entries
            builder.steps.append(.init(try Layer(all, in: cache, compression: .balanced), createdBy: name))
        }
        builder.execution.user = "65532:65532"
        builder.execution.workingDirectory = "/"
        builder.execution.entrypoint = [Self.executable]
        builder.execution.environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "DENO_NO_UPDATE_CHECK=1"]
        builder.annotations = ["org.opencontainers.image.title": "kiln"]
        image = try builder.build()
    }

    /// `libraries` and those of Deno, and what the C library reads.
    private static func system(_ libraries: [String]) throws(BuilderError) -> [LayerEntry] {
        var entries: [String: LayerEntry] = [:]
        // The loader looks there without being told, whatever the directory is where a library is on this machine.
        for path in libraries + (try RuntimeLibraries.find()) {
            let isLoader = path.hasPrefix("/lib64/ld-") || path.hasPrefix("/lib/ld-")
            let name = path.split(separator: "/").last.map(String.init) ?? path
            let target = isLoader ? relative(path) : "usr/lib/\(RuntimeLibraries.multiarch)/\(name)"
            entries[target] = .file(target, copying: path, mode: 0o755)
        }
        for name in try names(in: locale) {
            let path = relative("\(locale)/\(name)")
            entries[path] = .file(path, copying: "\(locale)/\(name)")
        }
        guard FileManager.default.fileExists(atPath: authorities) else { throw missing(authorities) }
        entries[relative(authorities)] = .file(relative(authorities), copying: authorities)
        entries["etc/nsswitch.conf"] = .file("etc/nsswitch.conf", Array("hosts: files dns\n".utf8))
        entries["etc/passwd"] = .file("etc/passwd", Array("kiln:x:65532:65532::/:/sbin/nologin\n".utf8))
        entries["tmp"] = .directory("tmp", mode: 0o1777)
        for path in ["proc", "sys", "dev", "run", "var/lib/kiln"] { entries[path] = .directory(path) }
        return Array(entries.values)
    }

    /// The files in a directory; in one for translated messages there is another directory, which is left out.
    private static func names(in directory: String) throws(BuilderError) -> [String] {
        guard let found = try? FileManager.default.contentsOfDirectory(atPath: directory), !found.isEmpty else {
            throw missing(directory)
        }
        return found.sorted().filter { name in
            var isDirectory = false
            return FileManager.default.fileExists(atPath: "\(directory)/\(name)", isDirectory: &isDirectory)
                && !isDirectory
        }
    }

    private static func relative(_ path: String) -> String { String(path.dropFirst()) }

    private static func missing(_ path: String) -> BuilderError {
        BuilderError(
            .recipe,
            "Kiln's image needs \(path), which is not on this machine. On Debian, install ca-certificates and libc-bin."
        )
    }
}
