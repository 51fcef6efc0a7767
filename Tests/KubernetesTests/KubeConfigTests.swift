import FoundationEssentials
import Support
import Testing
import Transfer

@testable import Kubernetes

@Suite struct KubeConfigTests {
    /// What a user entry leads to.
    struct UserCase: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var user: String
        var bearer: ClusterCredentials.Bearer = .none
        var hasIdentity = false
    }

    @Test(arguments: [
        UserCase(testDescription: "no entry at all", user: "{}"),
        UserCase(testDescription: "a token", user: "{token: abc}", bearer: .token("abc")),
        UserCase(testDescription: "a token of digits", user: "{token: 12345}", bearer: .token("12345")),
        UserCase(testDescription: "an empty token", user: "{token: ''}"),
        UserCase(testDescription: "a token file", user: "{tokenFile: /t}", bearer: .file(path: "/t")),
        UserCase(
            testDescription: "a token file relative to the kubeconfig", user: "{tokenFile: sub/t}",
            bearer: .file(path: "/home/me/.kube/sub/t")),
        UserCase(
            testDescription: "a token file counts more than a token", user: "{token: abc, tokenFile: /t}",
            bearer: .file(path: "/t")),
        UserCase(
            testDescription: "a certificate in place",
            user: "{client-certificate-data: Q0VSVA==, client-key-data: S0VZ}", hasIdentity: true),
        UserCase(
            testDescription: "a certificate and a token",
            user: "{client-certificate-data: Q0VSVA==, client-key-data: S0VZ, token: abc}", bearer: .token("abc"),
            hasIdentity: true),
    ])
    func `a user proves itself by`(case: UserCase) throws {
        let connection = try Self.config(user: `case`.user).connection()
        #expect(connection.credentials.bearer == `case`.bearer)
        let identity = TLSSettings.Identity(certificate: Array("CERT".utf8), key: Array("KEY".utf8))
        #expect(connection.credentials.identity == (`case`.hasIdentity ? identity : nil))
    }

    @Test(arguments: [
        ("{username: a, password: b}", "1.19"), ("{auth-provider: {name: gcp}}", "exec plugin"), ("{as: root}", "'as'"),
        ("{client-key-data: S0VZ}", "client-certificate"), ("{client-certificate-data: Q0VSVA==}", "client-key"),
        ("{client-certificate-data: '%%', client-key-data: S0VZ}", "base64"),
        ("{client-certificate: /nosuch/c.pem, client-key-data: S0VZ}", "/nosuch/c.pem"),
        ("{exec: {apiVersion: client.authentication.k8s.io/v1}}", "no command"),
        ("{exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}}", "v1beta1"),
        ("{exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always}}", "terminal"),
    ])
    func `what a user entry cannot be used for is said`(user: String, sentence: String) throws {
        let error = #expect(throws: APIError.self) { try Self.config(user: user).connection() }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: [
        ("{server: 'https://k:6443'}", "https://k:6443"), ("{server: 'https://k:6443/'}", "https://k:6443"),
        ("{server: 'https://k/k8s/clusters/c-1'}", "https://k/k8s/clusters/c-1"),
        ("{server: 'https://[fd00::1]:6443'}", "https://[fd00::1]:6443"),
    ])
    func `the server is an address without a slash at its end`(cluster: String, server: String) throws {
        #expect(try Self.config(cluster: cluster).connection().server == server)
    }

    @Test(arguments: [
        ("{}", "no usable server"), ("{server: 'k:6443'}", "no usable server"),
        ("{server: 'ftp://k'}", "no usable server"),
        ("{server: 'https://k', insecure-skip-tls-verify: true}", "always verifies"),
        ("{server: 'https://k', tls-server-name: other}", "tls-server-name"),
        ("{server: 'https://k', certificate-authority-data: '%'}", "base64"),
        ("{server: 'https://k', certificate-authority: /nosuch.crt}", "/nosuch.crt"),
    ])
    func `a cluster that cannot be trusted or reached is refused`(cluster: String, sentence: String) throws {
        let error = #expect(throws: APIError.self) { try Self.config(cluster: cluster).connection() }
        #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
    }

    @Test func `authority, proxy and namespace are taken over`() throws {
        let connection = try Self.config(
            cluster: "{server: 'https://k', certificate-authority-data: Q0E=, proxy-url: 'http://p:3128'}",
            namespace: "apps"
        ).connection()
        #expect(connection.trust == .onlyCertificates(pem: Array("CA".utf8)))
        #expect(connection.proxy == .proxy(url: "http://p:3128", exceptions: []))
        #expect(connection.namespace == "apps")
        #expect(try Self.config().connection().namespace == "default")
    }

    @Test func `of several files the first that names something counts`() throws {
        let first = try KubeConfig(
            yaml:
                "{contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c, cluster: {server: 'https://one'}}]}",
            path: "one")
        let second = try KubeConfig(
            yaml: """
                kind: Config
                current-context: b
                contexts: [{name: a, context: {cluster: nosuch}}, {name: b, context: {cluster: c}}]
                clusters: [{name: c, cluster: {server: 'https://two'}}]
                users: null
                """, path: "two")
        let merged = first.merged(with: second)
        #expect(merged.currentContext == "b")
        #expect(try merged.connection(context: "a").server == "https://one")
        #expect(try merged.connection().server == "https://one")
    }

    @Test func `an unknown context is refused with those there are`() throws {
        let error = #expect(throws: APIError.self) { try Self.config().connection(context: "prod") }
        #expect(error?.message == "The kubeconfig has no context 'prod'. There is: main.")
    }

    @Test(arguments: ["", "- a\n- b\n", "kind: Secret\n", "clusters: 5\n", "a: [\n"])
    func `a file that is something else is refused with its name`(yaml: String) {
        let error = #expect(throws: APIError.self) {
            try KubeConfig(yaml: yaml.isEmpty ? "~" : yaml, path: "/x/config").connection()
        }
        #expect(error != nil)
        if !yaml.isEmpty { #expect(error?.message.contains("/x/config") == true) }
    }

    @Test func `missing files are passed over as long as there is one`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/config"
            try Data("current-context: x\n".utf8).write(to: URL(filePath: path))
            #expect(try KubeConfig(paths: ["/nosuch", "", path]).currentContext == "x")
            let error = #expect(throws: APIError.self) { try KubeConfig(paths: ["/nosuch"]) }
            #expect(error?.message.contains("/nosuch") == true)
        }
    }

    private static func config(
        user: String = "{}", cluster: String = "{server: 'https://k'}", namespace: String = ""
    ) throws -> KubeConfig {
        try KubeConfig(
            yaml: """
                apiVersion: v1
                kind: Config
                current-context: main
                preferences: {}
                contexts:
                - {name: main, context: {cluster: c, user: u, namespace: '\(namespace)'}}
                clusters:
                - {name: c, cluster: \(cluster)}
                users:
                - {name: u, user: \(user)}
                """, path: "/home/me/.kube/config")
    }
}
