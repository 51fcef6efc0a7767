import Contract
import FoundationEssentials
import Glibc

/// Finds the OCI runtime that can run instances on this machine, by creating a container with all that an instance's has.
struct RuntimeProbe: Sendable {
    let configuration: LocalConfiguration
    let sandbox: Sandbox

    /// The names of runtimes to try: crun starts a container in less time, but refuses some control group set-ups.
    private static let candidates = ["crun", "runc"]

    /// The first runtime that works; throws a sentence with what each of them said.
    func find() async throws(DeployerError) -> OCIRuntime {
        if case .executable(let path) = configuration.runtime {
            let runtime = OCIRuntime(program: Program(path: path), installation: configuration.installation)
            if let complaint = await complaint(of: runtime) {
                throw DeployerError(.runtime, "\(path) cannot run containers here: \(complaint)")
            }
            return runtime
        }
        var complaints: [String] = []
        for name in Self.candidates {
            guard let path = Program.find(name) else { continue }
            let runtime = OCIRuntime(program: Program(path: path), installation: configuration.installation)
            guard let complaint = await complaint(of: runtime) else { return runtime }
            complaints.append("\(name): \(complaint)")
        }
        guard !complaints.isEmpty else {
            throw DeployerError(.runtime, "No OCI runtime is installed. Install the package runc (or crun).")
        }
        throw DeployerError(.runtime, "No OCI runtime can run containers here. \(complaints.joined(separator: " "))")
    }

    /// Why `runtime` cannot run a container; `nil` when it can.
    private func complaint(of runtime: OCIRuntime) async -> String? {
        let id = InstanceID.random()
        let paths = InstancePaths(instances: configuration.instances, id: InstanceRecord.draftPrefix + id)
        defer { DiskFile.removeTree(paths.directory) }
        do {
            try prepare(id, paths)
            let result = try await runtime.program.run([
                "--root", runtime.root, "run", "--bundle", paths.bundle, runtime.name(of: id),
            ])
            await runtime.remove(id)
            return result.succeeded ? nil : Monitor.sentence(of: result.complaint)
        } catch { return "\(error)" }
    }

    /// A bundle that runs the host's `true` on the host's libraries, all else as in an instance.
    private func prepare(_ id: String, _ paths: InstancePaths) throws {
        for directory in [paths.directory, paths.bundle, paths.root, paths.run, paths.sockets] {
            try DiskFile.directory(directory, mode: 0o755)
        }
        for directory in ["etc", "proc", "dev", "tmp", "run", "run/kiln"] {
            try DiskFile.directory("\(paths.root)/\(directory)", mode: 0o755)
        }
        for file in [paths.resolver, paths.hosts, "\(paths.root)/etc/resolv.conf", "\(paths.root)/etc/hosts"] {
            try DiskFile.write([], to: file, mode: 0o644)
        }
        var mounts: [RuntimeSpec.Mount] = []
        for directory in ["/usr", "/bin", "/lib", "/lib64"] where DiskFile.exists(directory) {
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: directory) {
                symlink(target, paths.root + directory)
            } else {
                try DiskFile.directory(paths.root + directory, mode: 0o755)
                mounts.append(
                    .init(
                        destination: directory, type: "bind", source: directory,
                        options: ["bind", "ro", "nosuid", "nodev"]))
            }
        }
        let program = try Program("true", package: "coreutils")
        var specification = sandbox.specification(
            of: record(id), image: image(program), paths: paths, environment: [], namespace: nil)
        specification.mounts += mounts
        try DiskFile.write(JSONEncoder().encode(specification), to: paths.configuration)
    }

    private func image(_ program: Program) -> PreparedImage {
        PreparedImage(layers: [], entrypoint: [program.path], command: [], environment: [], workingDirectory: "/")
    }

    private func record(_ id: String) -> InstanceRecord {
        let nothing = PinnedImage(
            registry: "probe", repository: "probe", digest: Digest(bytes: [UInt8](repeating: 0, count: 32)))
        return InstanceRecord(
            id: id, workload: Workload(id: .checker, image: nothing, spec: FunctionSpec()),
            userID: configuration.firstUserID, networkSlot: nil, addressPool: nil, created: .now())
    }
}
