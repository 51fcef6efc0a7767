import Foundation
import Support
import Testing
import Transfer

/// The newest Kiln on a state directory that an older one left.
@Suite(.serialized) struct OldStateTests {
    /// The digests in the checked-in store of release 0.1.0, by revision of `hello`.
    private static let recorded = [
        "76ca5a291425794591175f08ec9a91ef65c9dc40cd26d1cd1210d5818ec4f92c",
        "720a55a2631be8f94f0c9cc688165d108a157b1ed67f7327762d57eff9df3e75",
        "21bc8213f488c05f29ab1a58db2beef72d6ac80ce94f6537960c8cdb52bb5d16",
    ]

    @Test func `a platform starts on the state of release 0.1.0, serves it and rolls back in it`() async throws {
        try await withState { state, port, registryPort in
            // The images come from this Kiln, for bases change from release to release; the record is the old one's.
            var sql = try String(contentsOfFile: Platform.root + "/Tests/Fixtures/store-0.1.0.sql", encoding: .utf8)
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            for (text, old) in zip(["one", "two", "three"], Self.recorded) {
                let answer = try await platform.mustDeploy("hello", "export default () => new Response('\(text)');")
                let digest = try #require(answer.json["digest"] as? String).dropFirst("sha256:".count)
                sql = sql.replacing(old, with: digest)
            }
            await platform.stop()
            for name in try FileManager.default.contentsOfDirectory(atPath: state) where name.hasPrefix("kiln.sqlite") {
                try FileManager.default.removeItem(atPath: "\(state)/\(name)")
            }
            let made = try await command("sqlite3", [state + "/kiln.sqlite"], input: Array(sql.utf8))
            #expect(made.succeeded, "\(made.errors)")

            platform = try await Platform(state: state, port: port, registryPort: registryPort)
            try await eventually("the old live revision answers", within: .seconds(60)) {
                try await platform.get("/fn/hello").text == "two"
            }
            try await eventually("the old pin answers", within: .seconds(60)) {
                try await platform.get("/fn/hello@1").text == "one"
            }
            #expect(try await platform.call(.post, "/func/hello/rollback?to=3").status == 200)
            #expect(try await platform.get("/fn/hello").text == "three")
            let next = try await platform.mustDeploy("hello", "export default () => new Response('five');")
            #expect(next.json["revision"] as? Int == 5)
            #expect(FileManager.default.fileExists(atPath: state + "/kiln.sqlite.schema-1"))
            await platform.stop()
        }
    }
}
