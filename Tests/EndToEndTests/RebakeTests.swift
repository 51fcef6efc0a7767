import Foundation
import Support
import Testing
import Transfer

/// Base images that change, on one machine and on a cluster, and functions that follow.
@Suite(.serialized) struct RebakeTests {
    private static let source = "export default () => new Response(`one ${Deno.env.get('A')}`);"

    /// Another Deno, of the same kind: what follows the end of a program changes nothing of it.
    private static func change(_ deno: String) throws {
        var bytes = try Data(contentsOf: URL(filePath: Platform.deno))
        bytes.append(contentsOf: "other".utf8)
        try bytes.write(to: URL(filePath: deno + ".new"))
        chmod(deno + ".new", 0o755)
        guard rename(deno + ".new", deno) == 0 else { throw PlatformFailure("\(deno) cannot be written") }
    }

    @Test func `functions stand on the base of their time until they are rebaked, and back by a rollback`() async throws
    {
        try await withTemporaryDirectory { directory in
            let deno = directory + "/deno"
            try FileManager.default.copyItem(atPath: Platform.deno, toPath: deno)
            try await withPlatform(arguments: ["--deno", deno]) { platform in
                func kiln(_ arguments: String...) throws -> (code: Int32, output: String) {
                    try run(Platform.program, arguments + ["--url", platform.url])
                }
                let first = try await platform.mustDeploy("one", Self.source, "&env=A=a&memory=200Mi")
                try await platform.mustDeploy("two", "export default () => new Response('two');")
                #expect(try !kiln("list").output.contains("BASE"))
                #expect(try kiln("rebake", "one").output.contains("unchanged, revision 1"))
                #expect(try kiln("base", "update").output.hasPrefix("unchanged: new deploys get sha256:"))

                try Self.change(deno)
                let updated = try kiln("base", "update")
                #expect(updated.code == 0 && updated.output.hasPrefix("new deploys get sha256:"), "\(updated.output)")
                #expect(try kiln("list").output.contains("old"))
                #expect(try await platform.get("/func/one").json["outdated"] as? Bool == true)
                let bases = try #require(try await platform.get("/base").json["bases"] as? [[String: Any]])
                #expect(bases.map { $0["functions"] as? Int } == [0, 2] && bases[0]["current"] as? Bool == true)
                #expect(bases.allSatisfy { $0["deno"] as? String == "2.9.8" && $0["since"] != nil }, "\(bases)")
                #expect(try await platform.get("/fn/one").text == "one a")

                try await eventually("the new checker runs", within: .seconds(30)) {
                    try await platform.call(.post, "/func/one/rebake?dry-run=true").status == 200
                }
                let all = try kiln("rebake", "--all")
                #expect(all.code == 0, "\(all.output)")
                #expect(
                    all.output.contains("one: revision 2 is live") && all.output.contains("two: revision 2 is live"))
                #expect(try await platform.get("/fn/one").text == "one a")
                let one = try await platform.get("/func/one")
                #expect(one.json["outdated"] == nil && one.text.contains("209715200"), "\(one.text)")
                #expect(try kiln("revisions", "one", "--history").output.contains("rebake"))
                #expect(try kiln("rebake", "--all").output == "No function stands on an older base image.\n")
                #expect(try !kiln("list").output.contains("BASE"))
                // The same source is what is live already, wherever it stands.
                let again = try await platform.deploy("one", Self.source, "&env=A=a&memory=200Mi")
                #expect(again.status == 200 && again.json["unchanged"] as? Bool == true, "\(again.text)")
                _ = try await platform.call(.post, "/func/one/rollback")
                let back = try await platform.get("/func/one")
                #expect(back.json["image"] as? String == first.json["image"] as? String)
                #expect(back.json["outdated"] as? Bool == true)
            }
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `on a cluster another Builder rebakes what one before it has made`() async throws {
        try await withTemporaryDirectory { directory in
            try Self.change(directory + "/deno")
            try await withCluster { cluster in
                let source = Array(Self.source.utf8)
                try await cluster.withBuilder {
                    try await eventually("a deploy is taken", within: .seconds(60)) {
                        try await cluster.call(.post, "/func?name=one&env=A=a", body: source).status == 201
                    }
                    let same = try await cluster.call(.post, "/func/one/rebake")
                    #expect(same.status == 200 && same.json["unchanged"] as? Bool == true, "\(same.text)")
                }
                try await cluster.withBuilder(deno: directory + "/deno") {
                    try await eventually("the function is known to be on an older base", within: .seconds(60)) {
                        try await cluster.call(.get, "/func/one").json["outdated"] as? Bool == true
                    }
                    let rebaked = try await cluster.call(.post, "/func/one/rebake")
                    #expect(rebaked.status == 201 && rebaked.json["revision"] as? Int == 2, "\(rebaked.text)")
                }
                let shown = try await cluster.call(.get, "/func/one").json
                #expect(shown["revision"] as? Int == 2 && shown["outdated"] == nil, "\(shown)")
                let history = try await cluster.call(.get, "/func/one/revisions").json["history"] as? [[String: Any]]
                #expect(history?.map { $0["cause"] as? String } == ["rebake", "deploy"])
                let bases = try #require(try await cluster.call(.get, "/base").json["bases"] as? [[String: Any]])
                #expect(bases.map { $0["functions"] as? Int } == [1, 0] && bases[0]["current"] as? Bool == true)
            }
        }
    }
}
