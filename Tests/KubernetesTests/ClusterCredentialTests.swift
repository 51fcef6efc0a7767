import Contract
import FoundationEssentials
import Support
import Synchronization
import Testing
import Transfer

@testable import Kubernetes

@Suite struct ClusterCredentialTests {
    @Test func `a token file is read again after a minute, and at once when the server refused the token`() async throws
    {
        try await withTemporaryDirectory { directory in
            let path = directory + "/token"
            func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }
            let clock = ManualTime()
            let source = CredentialSource(ClusterCredentials(bearer: .file(path: path)), now: clock.read)
            try write("one\n")
            let first = try await source.proof()
            #expect(first.token == "one")
            try write("two")
            clock.advance(seconds: 59)
            #expect(try await source.proof().token == "one")
            clock.advance(seconds: 1)
            let second = try await source.proof()
            #expect(second.token == "two")
            try write("three")
            #expect(await source.reject(first), "an old proof's refusal says nothing of the new one")
            #expect(try await source.proof().token == "two")
            #expect(await source.reject(second))
            #expect(try await source.proof().token == "three")
            try write(" \n")
            clock.advance(seconds: 61)
            let error = await #expect(throws: APIError.self) { try await source.proof() }
            #expect(error?.message == "The token file \(path) is empty.")
        }
    }

    @Test func `a fixed token that is refused is not tried again`() async throws {
        let source = CredentialSource(ClusterCredentials(bearer: .token("a")))
        #expect(await !source.reject(try await source.proof()))
    }

    @Test func `a plugin is run once for all who ask, and again when its credential expires`() async throws {
        try await withTemporaryDirectory { directory in
            let plugin = try Self.plugin(
                """
                echo run >> \(directory)/runs
                n=$(wc -l < \(directory)/runs)
                test "$KIND" = test || exit 3
                echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{
                  "token":"t'$n'","expirationTimestamp":"2026-01-01T00:10:00Z"}}'
                """)
            let clock = ManualTime()
            let source = CredentialSource(ClusterCredentials(bearer: .plugin(plugin)), now: clock.read)
            let tokens = try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<8 { group.addTask { try await source.proof().token } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(tokens == ["t1"])
            clock.advance(seconds: 9 * 60 + 29)
            #expect(try await source.proof().token == "t1")
            clock.advance(seconds: 1)
            #expect(try await source.proof().token == "t2")
        }
    }

    @Test func `a plugin gets the version and, when it asks, the cluster`() async throws {
        let plugin = try Self.plugin(
            """
            test "$KUBERNETES_EXEC_INFO" = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":\
            {"cluster":{"certificate-authority-data":"Q0E=","server":"https://k"},"interactive":false}}' || exit 1
            echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{
              "clientCertificateData":"C","clientKeyData":"K"}}'
            """)
        #expect(try await plugin.run().identity?.certificate == Array("C".utf8))
    }

    @Test(arguments: [
        ("echo nothing", "printed no ExecCredential"), ("echo no; echo because >&2; exit 1", "because"),
        ("echo '{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}'", "printed Pod of v1"),
        (
            "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{}}'",
            "neither a token"
        ), ("exec sleep 100", "took longer"),
    ])
    func `a plugin that gives nothing is named with what it said`(script: String, sentence: String) async throws {
        var plugin = try Self.plugin(script)
        if script.contains("sleep") { plugin.deadline = .milliseconds(50) }
        let error = await #expect(throws: APIError.self) { try await plugin.run() }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    @Test func `a plugin that is not installed is named with the hint of its entry`() async throws {
        let plugin = try ExecPlugin(
            ExecPlugin.File(
                apiVersion: "client.authentication.k8s.io/v1", command: "no-such-plugin", installHint: "Get it."),
            user: "u", cluster: KubeConfig.Cluster(), server: "https://k")
        let error = await #expect(throws: APIError.self) { try await plugin.run() }
        #expect(error?.message == "The credential plugin no-such-plugin cannot be run. Get it.")
    }

    @Test func `in a Pod the service account says it all`() async throws {
        try await withTemporaryDirectory { directory in
            for (name, text) in [("token", "secret"), ("ca.crt", "CA"), ("namespace", "kiln-system\n")] {
                try Data(text.utf8).write(to: URL(filePath: directory + "/" + name))
            }
            func connection(_ host: String) throws -> ClusterConnection? {
                try .inCluster(
                    environment: ["KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"],
                    directory: directory)
            }
            let found = try #require(try connection("10.96.0.1"))
            #expect(found.server == "https://10.96.0.1:443")
            #expect(found.namespace == "kiln-system")
            #expect(found.trust == .onlyCertificates(pem: Array("CA".utf8)))
            #expect(found.credentials.bearer == .file(path: directory + "/token"))
            #expect(try connection("fd00::1")?.server == "https://[fd00::1]:443")
            #expect(try connection("") == nil)
            try FileManager.default.removeItem(atPath: directory + "/token")
            let error = #expect(throws: APIError.self) { try connection("10.96.0.1") }
            #expect(error?.message.contains("automountServiceAccountToken") == true)
        }
    }

    private static func plugin(_ script: String) throws -> ExecPlugin {
        try ExecPlugin(
            ExecPlugin.File(
                apiVersion: "client.authentication.k8s.io/v1", command: "sh", args: ["-c", script],
                env: [ExecPlugin.Variable(name: "KIND", value: "test")], provideClusterInfo: true),
            user: "u", cluster: KubeConfig.Cluster(authorityData: "Q0E="), server: "https://k")
    }
}

/// A wall clock that stands still until it is moved; it begins at 2026-01-01T00:00:00Z.
final class ManualTime: Sendable {
    private let milliseconds = Mutex<Int64>(1_767_225_600_000)

    func advance(seconds: Int) { milliseconds.withLock { $0 += Int64(seconds) * 1000 } }

    var read: @Sendable () -> Timestamp {
        { [self] in Timestamp(milliseconds: milliseconds.withLock { $0 }) }
    }
}
