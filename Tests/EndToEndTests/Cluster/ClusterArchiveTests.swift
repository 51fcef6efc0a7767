import Foundation
import Support
import Testing
import Transfer

/// Functions that leave a cluster in a file, and come back.
@Suite(.serialized) struct ClusterArchiveTests {
    @Test(.timeLimit(.minutes(5)))
    func `what was exported from a cluster is imported as it was, with its secrets`() async throws {
        try await withCluster { cluster in
            try await cluster.withBuilder {
                let kubeconfig = cluster.directory + "/admin"
                try Data(Cluster.kubeconfig(cluster.server.url).utf8).write(to: URL(filePath: kubeconfig))
                let common = ["--kubernetes", "--kubeconfig", kubeconfig]
                let file = cluster.directory + "/functions.tar"
                let importing =
                    ["import", file] + common + [
                        "--deployer", cluster.deployerAddress, "--internal-token-file", cluster.directory + "/token",
                        "--registry", cluster.registry.authority,
                    ]
                func kiln(_ arguments: [String], input: String = "") async throws -> CommandResult {
                    try await Support.command(Platform.program, arguments, input: Array(input.utf8))
                }
                func deploy(_ text: String) async throws -> Answer {
                    try await cluster.call(
                        .post, "/func?name=hello&check=false",
                        body: Array("export default () => new Response('\(text)');\n".utf8))
                }
                try await eventually("the Builder takes deploys", within: .seconds(90)) {
                    try await deploy("one").status < 300
                }
                #expect(try await deploy("two").status == 201)
                #expect(try await cluster.call(.post, "/func/hello/rollback").status == 200)
                #expect(try await kiln(["secret", "set", "API_KEY"] + common, input: "geheim").succeeded)
                let before = try await cluster.call(.get, "/func/hello/revisions").json

                let missing = try await kiln(
                    ["export", file, "--function", "other", "--registry", cluster.registry.authority] + common)
                #expect(!missing.succeeded && missing.errors.contains("There is no function 'other'"))
                let exported = try await kiln(
                    ["export", file, "--with-secrets", "--registry", cluster.registry.authority] + common)
                #expect(exported.succeeded, "\(exported.errors)")
                #expect(exported.output.contains("1 functions with 2 revisions, 1 secrets"), "\(exported.output)")

                let taken = try await kiln(importing)
                #expect(!taken.succeeded && taken.errors.contains("There is a function 'hello' already"))
                #expect(try await cluster.call(.delete, "/func/hello").status == 204)
                #expect(try await kiln(["secret", "rm", "API_KEY"] + common).succeeded)

                let imported = try await kiln(importing)
                #expect(imported.succeeded, "\(imported.errors)")
                #expect(try await cluster.served("hello") == "hello-r1")
                let after = try await cluster.call(.get, "/func/hello/revisions").json
                #expect(Self.text(after) == Self.text(before))
                #expect(try await kiln(["secret", "list"] + common).output == "API_KEY\n")
                // The object is the one that a deploy would have made: the next deploy is nobody's foe.
                let next = try await deploy("three")
                #expect(next.status == 201 && next.json["revision"] as? Int == 3, "\(next.text)")
            }
        }
    }

    private static func text(_ json: [String: Any]) -> String {
        let data = try? JSONSerialization.data(withJSONObject: json, options: [.sortedKeys])
        return String(decoding: data ?? Data(), as: UTF8.self)
    }
}
