import ArgumentParser
import Contract
import FoundationEssentials
import Glibc

/// The places inside the state directory of one installation.
struct StateDirectory: Sendable {
    /// The directory's absolute path.
    let path: String

    /// Bytes that the longest socket path adds to the directory's own: `/instances/<12 hex>/sock/http.sock`.
    private static let longestSocketSuffix = 40

    /// Takes `path` as it is after making it absolute; throws when unix sockets in it would not fit `sun_path` (107 bytes).
    init(_ path: String) throws {
        var absolute = path
        if !path.hasPrefix("/") { absolute = FileManager.default.currentDirectoryPath + "/" + path }
        while absolute.count > 1, absolute.hasSuffix("/") { absolute.removeLast() }
        guard absolute.utf8.count + Self.longestSocketSuffix <= 107 else {
            throw ValidationError(
                "The state directory's path is too long for unix sockets in it (\(absolute.utf8.count) bytes, at most "
                    + "\(107 - Self.longestSocketSuffix)): \(absolute). Choose a shorter one with --state-dir.")
        }
        self.path = absolute
    }

    var lock: String { path + "/lock" }
    var installation: String { path + "/installation" }
    var internalToken: String { path + "/internal-token" }
    var base: String { path + "/base.json" }
    var database: String { path + "/kiln.sqlite" }
    var secrets: String { path + "/secrets" }
    var blobs: String { path + "/blobs" }
    var layers: String { path + "/layers" }
    /// What the Builder has too much of for memory while it builds.
    var spool: String { path + "/spool" }

    /// Archives of npm packages.
    var packages: String { path + "/packages" }
    var registryData: String { path + "/registry" }
    var run: String { path + "/run" }
    var address: String { run + "/address" }
    func socket(_ role: String) -> String { "\(run)/\(role).sock" }
    func record(_ child: String) -> String { "\(run)/\(child).pid" }
    var registryLog: String { run + "/registry.log" }
    var collectorLog: String { run + "/collector.log" }
    /// The note of a registry that is not the directory's own.
    var externalRegistry: String { path + "/registry.json" }
    var registryAddress: String { run + "/registry" }
    /// The private key that images are signed with, and the public one to it.
    var signingKey: String { path + "/signing-key.pem" }
    var verifyingKey: String { path + "/signing-key.pub" }
    var lastCollection: String { path + "/last-collection" }
    var registryConfiguration: String { run + "/registry.yml" }

    /// Makes the directory and what is always in it, readable by its owner only.
    func create() throws {
        for directory in [path, run, secrets, blobs, layers, packages, registryData] {
            do {
                try FileManager.default.createDirectory(
                    atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw StartError("The state directory \(directory) cannot be made: \(Self.reason(error)).")
            }
            if [path, secrets].contains(directory) { try Self.requirePrivate(directory) }
        }
        guard access(path, W_OK) == 0 else {
            throw StartError("The state directory \(path) cannot be written: \(String(cString: strerror(errno))).")
        }
    }

    /// Throws when others than this user own `directory` or may look into it: secrets and functions' environments are in there.
    private static func requirePrivate(_ directory: String) throws {
        var status = stat()
        guard stat(directory, &status) == 0 else { return }
        guard status.st_uid == geteuid() else {
            throw StartError(
                "The directory \(directory) belongs to user \(status.st_uid), not to \(geteuid()), who runs Kiln. Run: chown -R \(geteuid()) \(directory)"
            )
        }
        guard status.st_mode & 0o077 == 0 else {
            throw StartError(
                "The directory \(directory) is open to others, and secrets are kept there. Run: chmod 700 \(directory)")
        }
    }

    /// Throws when images of functions are here without the record that tells what they are: to begin anew beside them would make
    /// every function vanish, and the next collection of garbage its images too.
    func requireRecord() throws {
        guard !FileManager.default.fileExists(atPath: database) else { return }
        let repositories = registryData + "/docker/registry/v2/repositories/kiln"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: repositories)) ?? []
        let functions = names.filter { (try? FunctionName($0)) != nil }
        guard !functions.isEmpty else { return }
        throw StartError(
            "The state directory \(path) has images of \(functions.count) functions, but no \(database), which records them. Nothing was changed. "
                + "Put the file back, or restore a backup into an empty directory ('kiln restore'); to begin anew, move \(registryData) away."
        )
    }

    /// The text in the file at `path`, made by `make` and kept for good when there is none.
    func persistent(_ path: String, make: () -> String) throws -> String {
        if access(path, F_OK) == 0 {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw StartError(
                    "The file \(path) cannot be read. Give it back to this user, or restore it from a backup.")
            }
            let text = String(decoding: data, as: UTF8.self)
            let trimmed = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            // Half a file is none: it is written whole or not at all, but a disk check may leave an empty one.
            if !trimmed.isEmpty { return trimmed }
        }
        let text = make()
        try DurableFile.write(Array((text + "\n").utf8), to: path)
        return text
    }

    /// Six hexadecimal digits that name this installation's network devices, rules and groups.
    func installationID() throws -> String {
        let text = try persistent(installation) { String(RequestToken.make(bytes: 3)) }
        guard text.utf8.count == 6, text.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else {
            throw StartError(
                "The file \(installation) is damaged: it holds '\(text.prefix(40))' instead of six hexadecimal digits, by which Kiln finds the "
                    + "containers and network rules that it left. Put it back from a backup, or remove it after a restart of the machine."
            )
        }
        return text
    }

    /// The token with which the roles call each other.
    func internalTokenText() throws -> String {
        let text = try persistent(internalToken) { RequestToken.make(bytes: 32) }
        guard text.utf8.count >= 32, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw StartError(
                "The file \(internalToken) is damaged. Remove it while Kiln is stopped: a new one is made at the next start."
            )
        }
        return text
    }

    private static func reason(_ error: any Error) -> String {
        if let error = error as? CocoaError, let underlying = error.underlying as? POSIXError {
            return String(cString: strerror(underlying.code.rawValue))
        }
        return "\(error)"
    }
}

/// Random hexadecimal text from the system's generator.
enum RequestToken {
    static func make(bytes: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<bytes).map { _ in
            let byte = UInt8.random(in: .min ... .max, using: &generator)
            let hex = String(byte, radix: 16)
            return byte < 16 ? "0" + hex : hex
        }.joined()
    }
}

/// A start that cannot go on, in one sentence for the operator.
struct StartError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
