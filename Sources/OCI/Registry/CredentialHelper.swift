import FoundationEssentials
import Subprocess
import SystemPackage

/// A program that keeps credentials: `docker-credential-NAME`, asked by the protocol of docker-credential-helpers (`get`, the registry on
/// standard input, JSON on standard output).
struct CredentialHelper: Sendable {
    /// How long a helper may take: those of clouds ask a service.
    private static let deadline: Duration = .seconds(30)
    /// The most that is read of its answer, in bytes.
    private static let limit = 64 << 10

    private let program: String

    /// The helper `name`; throws when that is no plain word, for it becomes the name of a program.
    init(_ name: String) throws(OCIError) {
        guard !name.isEmpty, name.utf8.allSatisfy({ ASCII.isWord($0) }) else {
            throw OCIError(.unsupported, "'\(name.prefix(100))' is not the name of a credential helper.")
        }
        program = "docker-credential-" + name
    }

    /// What the helper has for `registry`; anonymous when it has nothing.
    func credentials(for registry: String) async throws(OCIError) -> RegistryEndpoint.Credentials {
        // docker's own word for Docker Hub.
        let key = registry == "docker.io" ? "https://index.docker.io/v1/" : registry
        let output: String
        let succeeded: Bool
        do {
            (output, succeeded) = try await withThrowingTaskGroup(of: (String, Bool)?.self) { group in
                group.addTask {
                    let result = try await Subprocess.run(
                        .name(program), arguments: ["get"],
                        input: .fileDescriptor(try Self.pipe(key), closeAfterSpawningProcess: true),
                        output: .string(limit: Self.limit), error: .discarded)
                    return (result.standardOutput, result.terminationStatus.isSuccess)
                }
                group.addTask {
                    try await Task.sleep(for: Self.deadline)
                    return nil
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let answer = first else {
                    throw OCIError(.unauthorized, "\(program) did not answer within \(Self.deadline).")
                }
                return answer
            }
        } catch let error as OCIError {
            throw error
        } catch {
            throw OCIError(
                .unauthorized, "The credential helper \(program) for \(registry) cannot be run. Is it installed?",
                cause: error)
        }
        guard succeeded else {
            // The protocol's words for "nothing here", on standard output.
            if output.contains("credentials not found") { return .anonymous }
            throw OCIError(
                .unauthorized,
                "\(program) has no credentials for \(registry): \(output.prefix(300).filter { !$0.isNewline })")
        }
        let answer = try CanonicalJSON.decode(Answer.self, from: Array(output.utf8), what: "The answer of \(program)")
        return answer.Username == "<token>"
            ? .identityToken(answer.Secret) : .basic(user: answer.Username, password: answer.Secret)
    }

    /// The reading end of a pipe that holds `text` already: a helper may end without reading, and that must harm nobody.
    private static func pipe(_ text: String) throws -> FileDescriptor {
        guard text.utf8.count <= 4096 else { throw OCIError(.unsupported, "A registry's name has at most 4096 bytes.") }
        let (reading, writing) = try FileDescriptor.pipe()
        defer { try? writing.close() }
        try writing.writeAll(text.utf8)
        return reading
    }

    /// The names are the protocol's.
    private struct Answer: Decodable {
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var Username, Secret: String
    }
}

/// The characters of program names.
private enum ASCII {
    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
