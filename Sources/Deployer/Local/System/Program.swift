import CLinux
import Glibc
import Subprocess
import SystemPackage

/// A program of this machine that the backend calls.
struct Program: Sendable, Hashable {
    /// What a run of a program left.
    struct Result: Sendable {
        /// Whether it ended with exit code 0.
        var succeeded: Bool
        /// What it printed.
        var output: String
        /// What it complained about, on one line.
        var complaint: String
    }

    /// Its absolute path.
    let path: String

    /// Where programs are looked for; the environment's own `PATH` may hold anything.
    private static let directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]

    /// The program at `path`.
    init(path: String) { self.path = path }

    /// The installed program `name`; throws a sentence that names the Debian `package` it comes with.
    init(_ name: String, package: String) throws(DeployerError) {
        guard let path = Self.find(name) else {
            throw DeployerError(.runtime, "The program \(name) is not installed. Install the package \(package).")
        }
        self.path = path
    }

    /// Where `name` is installed, if it is.
    static func find(_ name: String) -> String? {
        directories.lazy.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// Runs the program to its end with `input` on its standard input, in no
    /// environment but `environment`; deaf to cancellation, so that no
    /// change of the machine stops half way.
    func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) async throws(DeployerError) -> Result {
        do {
            let path = path
            // A file, not a pipe that somebody feeds: a program may end before it has read its input, and that must harm nobody.
            let input = try Self.file(input)
            return try await Task {
                let result = try await Subprocess.run(
                    .path(FilePath(path)), arguments: Arguments(arguments),
                    environment: .custom(Self.keys(environment.merging(["LC_ALL": "C"]) { $1 })),
                    input: .fileDescriptor(input, closeAfterSpawningProcess: true), output: .string(limit: 4 << 20),
                    error: .string(limit: 64 << 10))
                return Result(
                    succeeded: result.terminationStatus.isSuccess, output: result.standardOutput,
                    complaint: Self.oneLine(result.standardError))
            }.value
        } catch {
            throw DeployerError(.runtime, "Cannot run \(path).", error)
        }
    }

    /// Runs the program and throws when it fails: `Cannot <action>: <its complaint>`.
    @discardableResult
    func check(
        _ action: String, _ arguments: [String], input: String = "", environment: [String: String] = [:],
        code: DeployerError.Code = .runtime
    ) async throws(DeployerError) -> String {
        let result = try await run(arguments, input: input, environment: environment)
        guard result.succeeded else { throw DeployerError(code, "Cannot \(action): \(result.complaint)") }
        return result.output
    }

    /// A file in memory with `text`, at its beginning.
    private static func file(_ text: String) throws -> FileDescriptor {
        let number = linux_memory_file("input")
        guard number >= 0 else { throw Errno(rawValue: errno) }
        let file = FileDescriptor(rawValue: number)
        do {
            try file.writeAll(text.utf8)
            try file.seek(offset: 0, from: .start)
        } catch {
            try? file.close()
            throw error
        }
        return file
    }

    private static func keys(_ environment: [String: String]) -> [Environment.Key: String] {
        Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), $1) })
    }

    static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: "; ")
    }
}
