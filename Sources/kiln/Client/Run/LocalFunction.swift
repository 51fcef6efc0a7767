import Builder
import Client
import FoundationEssentials
import Glibc
import OCI
import SystemPackage

/// A function that runs here, as one process after another.
struct LocalFunction: Sendable {
    let deno: LocalDeno
    let address: ListenOption
    let variables: [String: String]
    let printer: Printer

    /// Puts what an image of `plan` would have in the place of what was there before.
    func install(_ plan: BuildPlan, _ module: CheckedModule) throws(ClientError) {
        do {
            let files = FileManager.default
            let app = deno.path("/app")
            // The directory itself stays: the checker works in it.
            for name in try files.contentsOfDirectory(atPath: app) { try files.removeItem(atPath: "\(app)/\(name)") }
            for entry in plan.layer(module) {
                let path = URL(filePath: deno.path("/\(entry.path)"))
                switch entry.kind {
                case .directory: try files.createDirectory(at: path, withIntermediateDirectories: true)
                case .file(.bytes(let bytes)):
                    try files.createDirectory(
                        at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
                    try Data(bytes).write(to: path)
                default: break
                }
            }
        } catch {
            throw ClientError(.failed, "\(deno.directory) cannot be written: \(error)")
        }
    }

    /// Runs `module` until it ends, in words how; `nil` when the task was cancelled.
    func run(_ module: CheckedModule) async throws(ClientError) -> String? {
        let hasFiles = module.files != nil
        let end = try await deno.run(
            (module.needsImports ? Sandbox.fetchingFunction : Sandbox.function) + (hasFiles ? [Sandbox.importMap] : [])
                + module.command,
            address: "tcp:\(address.text)", variables: variables, isColored: printer.output.isColored,
            workingDirectory: hasFiles ? "/app/source" : "/app", fetches: module.needsImports,
            output: printer.isJSON ? .standardError : .standardOutput)
        return Task.isCancelled ? nil : end
    }

    /// Waits until something accepts connections at the address; `false` when the task is cancelled before.
    func waitUntilItAccepts() async -> Bool {
        while !Task.isCancelled {
            if Self.accepts(address) { return true }
            guard (try? await Task.sleep(for: .milliseconds(20))) != nil else { return false }
        }
        return false
    }

    private static func accepts(_ address: ListenOption) -> Bool {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var results: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, String(address.port), &hints, &results) == 0, let first = results else {
            return false
        }
        defer { freeaddrinfo(results) }
        let descriptor = socket(first.pointee.ai_family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0
    }
}
