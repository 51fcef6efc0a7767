import Contract
import FoundationEssentials
import Service
import Subprocess
import SystemPackage
import Transfer

/// A program that prints credentials, as managed clusters give out (`client.authentication.k8s.io`, v1 or v1beta1).
package struct ExecPlugin: Sendable, Hashable {
    /// The `exec` entry of a user, as it is written.
    struct File: Decodable, Sendable, Hashable {
        var apiVersion: String?
        var command: String?
        var args: [String]?
        var env: [Variable]?
        var installHint: String?
        var interactiveMode: String?
        var provideClusterInfo: Bool?
    }

    struct Variable: Decodable, Sendable, Hashable {
        var name: String
        var value: String?
    }

    /// What a run printed.
    struct Credential: Sendable, Hashable {
        var token: String?
        var identity: TLSSettings.Identity?
        /// When it is of no use any more; `nil` for as long as the server takes it.
        var expires: Timestamp?
    }

    let version: String
    let command: String
    let arguments: [String]
    let environment: [String: String]
    let hint: String
    /// How long a run may take.
    var deadline = Duration.seconds(60)

    init(_ file: File, user: String, cluster: KubeConfig.Cluster, server: String) throws(APIError) {
        func refuse(_ reason: String) -> APIError {
            APIError(.connection, "The exec plugin of user '\(user)' \(reason)")
        }
        guard let command = file.command, !command.isEmpty else { throw refuse("has no command.") }
        guard let version = file.apiVersion, ["v1", "v1beta1"].map({ Self.group + $0 }).contains(version) else {
            throw refuse(
                "has apiVersion '\(file.apiVersion ?? "")'; Kiln knows \(Self.group)v1 and v1beta1. Update the plugin's entry."
            )
        }
        guard file.interactiveMode != "Always" else {
            throw refuse(
                "asks at a terminal (interactiveMode Always), and there is none. Use a service account's token.")
        }
        self.command = command
        self.version = version
        arguments = file.args ?? []
        hint = file.installHint.map { " \($0)" } ?? ""
        var environment: [String: String] = [:]
        for variable in file.env ?? [] { environment[variable.name] = variable.value ?? "" }
        let about = ClusterInfo(server: server, authority: cluster.authorityData)
        environment["KUBERNETES_EXEC_INFO"] = Self.info(version, file.provideClusterInfo == true ? about : nil)
        self.environment = environment
    }

    /// Runs the program; throws ``APIError`` when it fails, takes longer than ``deadline`` or prints no credentials.
    func run() async throws(APIError) -> Credential {
        let (output, errors, succeeded) = try await finish()
        guard succeeded else {
            throw APIError(
                .connection,
                "The credential plugin \(command) failed: \(errors.split(whereSeparator: \.isNewline).joined(separator: "; ")).\(hint)"
            )
        }
        return try parse(output)
    }

    /// Reads what the program printed.
    func parse(_ output: String) throws(APIError) -> Credential {
        let answer: Answer
        do {
            answer = try JSONDecoder().decode(Answer.self, from: Data(output.utf8))
        } catch {
            throw APIError(.connection, "The credential plugin \(command) printed no ExecCredential.", cause: error)
        }
        guard answer.kind == "ExecCredential", answer.apiVersion == version else {
            throw APIError(
                .connection,
                "The credential plugin \(command) printed \(answer.kind ?? "no kind") of \(answer.apiVersion ?? "no version"), but "
                    + "ExecCredential of \(version) was asked for.")
        }
        guard let status = answer.status else {
            throw APIError(.connection, "The credential plugin \(command) printed no status.")
        }
        var credential = Credential(token: status.token, identity: nil, expires: nil)
        if let certificate = status.clientCertificateData, let key = status.clientKeyData {
            credential.identity = TLSSettings.Identity(certificate: Array(certificate.utf8), key: Array(key.utf8))
        }
        if let text = status.expirationTimestamp { credential.expires = Timestamp(text) }
        guard credential.token != nil || credential.identity != nil else {
            throw APIError(.connection, "The credential plugin \(command) printed neither a token nor a certificate.")
        }
        return credential
    }

    private func finish() async throws(APIError) -> (output: String, errors: String, succeeded: Bool) {
        let variables = Dictionary(
            uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), String?.some($1)) })
        do {
            return try await withThrowingTaskGroup(of: (String, String, Bool)?.self) { group in
                group.addTask { [command, arguments] in
                    let result = try await Subprocess.run(
                        command.contains("/") ? .path(FilePath(command)) : .name(command),
                        arguments: Arguments(arguments), environment: .inherit.updating(variables), input: .none,
                        output: .string(limit: 1 << 20), error: .string(limit: 64 << 10))
                    return (result.standardOutput, result.standardError, result.terminationStatus.isSuccess)
                }
                group.addTask { [deadline] in
                    try await Task.sleep(for: deadline)
                    return nil
                }
                defer { group.cancelAll() }
                guard let first = try await group.next(), let result = first else {
                    throw APIError(.connection, "The credential plugin \(command) took longer than \(deadline).")
                }
                return result
            }
        } catch let error as APIError {
            throw error
        } catch {
            throw APIError(.connection, "The credential plugin \(command) cannot be run.\(hint)", cause: error)
        }
    }

    private static let group = "client.authentication.k8s.io/"

    private static func info(_ version: String, _ cluster: ClusterInfo?) -> String {
        let info = Info(
            apiVersion: version, kind: "ExecCredential", spec: Info.Spec(cluster: cluster, interactive: false))
        return (try? JSON.encode(info)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private struct ClusterInfo: Encodable {
        var server: String
        var authority: String?

        enum CodingKeys: String, CodingKey {
            case server
            case authority = "certificate-authority-data"
        }
    }

    private struct Info: Encodable {
        struct Spec: Encodable {
            var cluster: ClusterInfo?
            var interactive: Bool
        }
        var apiVersion: String
        var kind: String
        var spec: Spec
    }

    private struct Answer: Decodable {
        struct Status: Decodable {
            var token: String?
            var clientCertificateData: String?
            var clientKeyData: String?
            var expirationTimestamp: String?
        }
        var apiVersion: String?
        var kind: String?
        var status: Status?
    }
}
