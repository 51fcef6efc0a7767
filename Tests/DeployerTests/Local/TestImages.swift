import Contract
import Foundation
import Support
import Synchronization

@testable import Deployer

/// Images made on the spot: Deno with the libraries of this machine below, one `/app/main.js` above.
///
/// Everything in them runs with `deno run -A`: what is tested is the container, not Deno's own permissions.
final class TestImages: ImageSource {
    private let directory: String
    private let images = Mutex<[Digest: PreparedImage]>([:])

    /// Images whose code lies under `directory`.
    init(directory: String) { self.directory = directory }

    func rootFilesystem(of image: PinnedImage) async throws -> PreparedImage {
        guard let files = images.withLock({ $0[image.digest] }) else { throw FixtureFailure("there is no such image") }
        return files
    }

    /// An image that runs `code`.
    func add(_ code: String, change: (inout PreparedImage) -> Void = { _ in }) throws -> PinnedImage {
        let number = images.withLock { $0.count } + 1
        let digest = Digest(bytes: (0..<32).map { $0 == 0 ? UInt8(number) : 0 })
        let layer = "\(directory)/code-\(number)"
        try FileManager.default.createDirectory(atPath: layer + "/app", withIntermediateDirectories: true)
        try Data(code.utf8).write(to: URL(filePath: layer + "/app/main.js"))
        var image = PreparedImage(
            layers: [try Self.base.get(), layer], entrypoint: ["/usr/bin/deno", "run", "-A", "--quiet"] + Self.closed,
            command: ["/app/main.js"], environment: ["DENO_DIR=/tmp/deno", "HOME=/tmp", "NO_COLOR=1"],
            workingDirectory: "/app")
        change(&image)
        images.withLock { $0[digest] = image }
        return PinnedImage(registry: "127.0.0.1:1", repository: "kiln/test", digest: digest)
    }

    /// Answers every request with `hello`, and ends in order.
    static let hello = """
        let server;
        Deno.addSignalListener("SIGTERM", async () => { await server.shutdown(); Deno.exit(0); });
        server = Deno.serve({ onListen() {} }, () => new Response("hello"));
        """

    /// Runs the body of each POST as an async function and answers with what it returns, as JSON, or with the error's text.
    static let probe = """
        const AsyncFunction = (async () => {}).constructor;
        let server;
        Deno.addSignalListener("SIGTERM", async () => { await server.shutdown(); Deno.exit(0); });
        server = Deno.serve({ onListen() {} }, async (request) => {
          try {
            return Response.json({ value: await new AsyncFunction(await request.text())() ?? null });
          } catch (error) {
            return Response.json({ error: String(error) });
          }
        });
        """

    private static let closed = ["--no-prompt", "--no-config", "--no-lock", "--cached-only", "--node-modules-dir=none"]

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// The Deno that the images hold.
    static var deno: String { ProcessInfo.processInfo.environment["KILN_DENO"] ?? root + "/.tools/deno/2.9.8/deno" }

    /// The lower layer, made once per build directory.
    private static let base = Result {
        guard FileManager.default.fileExists(atPath: deno) else {
            throw FixtureFailure("There is no Deno at \(deno). Run the tests with `make test`, or set KILN_DENO.")
        }
        let base = root + "/.build/test-root"
        if !FileManager.default.fileExists(atPath: base) { try makeBase(base, deno: deno) }
        return base
    }

    private static func makeBase(_ base: String, deno: String) throws {
        let files = FileManager.default
        let draft = base + ".\(getpid())"
        for directory in [
            "usr/bin", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "etc", "proc", "dev", "sys",
        ] + ["tmp", "run/kiln", "app"] {
            try files.createDirectory(atPath: "\(draft)/\(directory)", withIntermediateDirectories: true)
        }
        try files.setAttributes([.posixPermissions: 0o1777], ofItemAtPath: draft + "/tmp")
        for file in ["etc/resolv.conf", "etc/hosts"] { _ = files.createFile(atPath: "\(draft)/\(file)", contents: nil) }
        try files.copyItem(atPath: deno, toPath: draft + "/usr/bin/deno")
        let libraries = ["libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "librt.so.1"]
        for architecture in ["x86_64", "aarch64"] {
            for library in libraries {
                try? copy("/lib/\(architecture)-linux-gnu/\(library)", draft)
            }
        }
        try? copy("/lib64/ld-linux-x86-64.so.2", draft)
        try? copy("/lib/ld-linux-aarch64.so.1", draft)
        try files.moveItem(atPath: draft, toPath: base)
    }

    private static func copy(_ path: String, _ root: String) throws {
        let source = URL(filePath: path).resolvingSymlinksInPath().path
        try FileManager.default.copyItem(atPath: source, toPath: root + path)
    }
}
