import Foundation
import Support
import Synchronization
import Testing

/// Debian's docker-registry as operators run it for several users: with passwords or a token service, with TLS by an authority of their
/// own, read-only, on a small disk. It can be ended and started again with other settings over the same data.
final class PrivateRegistry: Sendable {
    /// Who is let in.
    enum Access: Sendable {
        case everybody
        /// `kiln` with a password that ``PrivateRegistry/allow(_:)`` says.
        case password
        /// Whom the token service of this port knows.
        case token(port: String)
    }

    struct Settings: Sendable {
        var access = Access.everybody
        var hasTLS = false
        var isReadOnly = false
        var deletes = true
    }

    /// Password and what htpasswd (bcrypt, 2^4 rounds) makes of it.
    static let passwords = [
        "swordfish": "$2y$04$abcdefghijklmnopqrstuugIEnm3ZbWF6xb2GcoE3L1CoGJFMKtu.",
        "marlin-42": "$2y$04$abcdefghijklmnopqrstuuR3qRAPE3xhaRtSruYKMQYGU.Alr5HeO",
    ]

    let directory: String
    let authority: String
    private let process = Mutex<Process?>(nil)
    private let hasTLS = Mutex(false)

    init(in directory: String) throws {
        self.directory = directory
        authority = "127.0.0.1:\(try freePort())"
        try FileManager.default.createDirectory(atPath: directory + "/data", withIntermediateDirectories: true)
        try allow("swordfish")
    }

    /// The authority that signed its certificate.
    var certificates: String { directory + "/ca.crt" }
    /// The file with its credentials, as `docker login` writes it.
    var credentials: String { directory + "/config.json" }
    /// The log.
    var log: String { (try? String(contentsOfFile: directory + "/registry.log", encoding: .utf8)) ?? "" }

    /// Lets `kiln` in with `password` and nothing else. Other files' times are whole seconds to docker-registry.
    func allow(_ password: String) throws {
        let hash = try #require(Self.passwords[password])
        try Data("kiln:\(hash)\n".utf8).write(to: URL(filePath: directory + "/htpasswd"))
    }

    /// Writes the file with credentials.
    func login(_ password: String, user: String = "kiln", host: String? = nil) throws {
        let auth = Data("\(user):\(password)".utf8).base64EncodedString()
        try Data(#"{"auths":{"\#(host ?? authority)":{"auth":"\#(auth)"}}}"#.utf8)
            .write(to: URL(filePath: credentials), options: .atomic)
    }

    func start(_ settings: Settings) async throws {
        let file = directory + "/registry.yml"
        try Data(configuration(settings).utf8).write(to: URL(filePath: file))
        if settings.hasTLS, !FileManager.default.fileExists(atPath: certificates) { try makeCertificates() }
        let child = Process()
        child.executableURL = URL(filePath: "/usr/bin/docker-registry")
        child.arguments = ["serve", file]
        let path = directory + "/registry.log"
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        let log = try #require(FileHandle(forWritingAtPath: path))
        try log.seekToEnd()
        child.standardInput = FileHandle.nullDevice
        child.standardOutput = log
        child.standardError = log
        try child.run()
        process.withLock { $0 = child }
        hasTLS.withLock { $0 = settings.hasTLS }
        let url = "\(settings.hasTLS ? "https" : "http")://\(authority)/v2/"
        try await eventually("docker-registry answers") { try run("curl", ["-sko", "/dev/null", url]).code == 0 }
    }

    /// Ends it as a failure of its machine does.
    func kill() {
        process.withLock { process in
            guard let child = process else { return }
            Foundation.kill(child.processIdentifier, SIGKILL)
            child.waitUntilExit()
            process = nil
        }
    }

    func restart(_ settings: Settings) async throws {
        kill()
        try await start(settings)
    }

    private func configuration(_ settings: Settings) -> String {
        let access =
            switch settings.access {
            case .everybody: ""
            case .password: "auth: {htpasswd: {realm: test, path: \(directory)/htpasswd}}"
            case .token(let port):
                "auth: {token: {realm: \"http://127.0.0.1:\(port)/token\", service: kiln-test, issuer: kiln-test, "
                    + "rootcertbundle: \(directory)/cert.pem}}"
            }
        let tls =
            settings.hasTLS ? ", tls: {certificate: \(directory)/server.pem, key: \(directory)/server-key.pem}" : ""
        return """
            version: 0.1
            log: {level: error, accesslog: {disabled: true}}
            storage:
              filesystem: {rootdirectory: \(directory)/data}
              delete: {enabled: \(settings.deletes)}
              maintenance: {uploadpurging: {enabled: false}, readonly: {enabled: \(settings.isReadOnly)}}
            http: {addr: "\(authority)", secret: test\(tls)}
            \(access)
            """
    }

    /// An authority, and a certificate that it signed for this machine's loopback addresses.
    private func makeCertificates() throws {
        let script = """
            cd '\(directory)' && set -e
            new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>/dev/null; }
            new -x509 -days 2 -subj '/CN=Test authority' -keyout ca-key.pem -out ca.crt
            new -subj /CN=registry -keyout server-key.pem -out server.csr
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > san
            openssl x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca-key.pem -CAcreateserial -extfile san -out server.pem 2>/dev/null
            """
        let made = try run("sh", ["-c", script])
        try #require(made.code == 0, "\(made.output)")
    }
}

extension PrivateRegistry {
    /// What signs tokens, and who gets which.
    func prepareTokens(_ users: String) throws {
        let made = try run(
            "openssl",
            [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens", "-keyout",
                directory + "/key.pem", "-out", directory + "/cert.pem",
            ])
        try #require(made.code == 0, "\(made.output)")
        try setUsers(users)
    }

    /// Who gets which tokens from now on.
    func setUsers(_ users: String) throws {
        try Data(users.utf8).write(to: URL(filePath: directory + "/users.json"), options: .atomic)
    }

    /// The tags of a repository, as skopeo sees them.
    func tags(_ repository: String) throws -> [String] {
        let listed = try skopeo(["list-tags", "docker://\(authority)/\(repository)"])
        let document = try JSONSerialization.jsonObject(with: Data(listed.utf8)) as? [String: Any]
        return (document?["Tags"] as? [String] ?? []).sorted()
    }

    /// What skopeo prints, with the same credentials and authority as Kiln has.
    @discardableResult
    func skopeo(_ arguments: [String]) throws -> String {
        let prefix = arguments[0] == "copy" ? "src-" : ""
        let hasTLS = hasTLS.withLock { $0 }
        var options = ["--\(prefix)tls-verify=\(hasTLS)"]
        if hasTLS { options += ["--\(prefix)cert-dir", directory] }
        if FileManager.default.fileExists(atPath: credentials) { options += ["--authfile", credentials] }
        let result = try run("skopeo", [arguments[0]] + options + arguments.dropFirst())
        guard result.code == 0 else { throw PlatformFailure("skopeo \(arguments): \(result.output)") }
        return result.output
    }
}

/// Gives `body` a registry that does not run yet, and ends it afterwards.
func withPrivateRegistry(_ body: (PrivateRegistry) async throws -> Void) async throws {
    let directory = "/tmp/kiln-registry-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let registry = try PrivateRegistry(in: directory)
    defer { registry.kill() }
    do { try await body(registry) } catch { Issue.record("\(error)\n--- registry\n\(registry.log.suffix(2000))") }
}
