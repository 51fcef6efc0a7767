import Foundation
import Support
import Testing
import Transfer

/// Signed images on a real platform.
@Suite(.serialized) struct SignatureTests {
    private func source(_ text: String) -> String { "export default () => new Response('\(text)');" }

    private func kiln(_ arguments: String...) throws -> (code: Int32, output: String) {
        try run(Platform.program, arguments)
    }

    private func key(_ state: String) throws -> String {
        try String(contentsOfFile: state + "/signing-key.pem", encoding: .utf8)
    }

    /// The tags of `name` without those that Builder and Deployer find images by.
    private func attachments(_ platform: Platform, _ name: String) async throws -> [String] {
        let answer = try await platform.client.collect(
            ClientRequest(.get, "http://\(platform.registry)/v2/kiln/\(name)/tags/list"))
        let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        return (json?["tags"] as? [String] ?? []).filter { $0.hasPrefix("sha256-") }.sorted()
    }

    @Test func `a key is made once, whatever is killed meanwhile, and nobody else may read it`() async throws {
        try await withState { state, port, registryPort in
            for pause in [0, 2, 5, 10, 20, 40, 80] {
                let process = Process()
                process.executableURL = URL(filePath: Platform.program)
                process.arguments = [
                    "up", "--state-dir", state, "--listen", "127.0.0.1:\(port)", "--registry-listen",
                    "127.0.0.1:\(registryPort)", "--deno", Platform.deno,
                ]
                process.standardOutput = FileHandle.nullDevice
                process.standardError = FileHandle.nullDevice
                try process.run()
                let before = try? key(state)
                try await Task.sleep(for: .milliseconds(pause))
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                if FileManager.default.fileExists(atPath: state + "/signing-key.pem") {
                    #expect(try key(state).contains("-----END PRIVATE KEY-----"))
                    if let before { #expect(try key(state) == before) }
                }
            }
            let platform = try await Platform(state: state, port: port, registryPort: registryPort)
            let made = try key(state)
            let mode = try FileManager.default.attributesOfItem(atPath: state + "/signing-key.pem")[.posixPermissions]
            #expect(mode as? Int == 0o600)
            let published = try await Support.command("openssl", ["pkey", "-pubout"], input: Array(made.utf8))
            #expect(try kiln("key", "--state-dir", state).output == published.output)
            await platform.stop()
        }
    }

    @Test func `where signatures are demanded nothing else is recorded or gone back to, and what runs goes on`()
        async throws
    {
        try await withState { state, port, registryPort in
            let own = ["--verify-key", state + "/signing-key.pub"]
            var platform = try await Platform(state: state, port: port, registryPort: registryPort, arguments: own)
            try await platform.mustDeploy("hello", source("1"))
            try await platform.mustDeploy("hello", source("2"))
            let again = try await platform.mustDeploy("hello", source("2"))
            #expect(again.json["unchanged"] as? Bool == true)
            #expect(try await attachments(platform, "hello").count == 4)
            await platform.stop()

            let other = try await Support.command(
                "openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
            let published = try await Support.command("openssl", ["pkey", "-pubout"], input: Array(other.output.utf8))
            try other.output.write(toFile: state + "/other.pem", atomically: true, encoding: .utf8)
            try published.output.write(toFile: state + "/other.pub", atomically: true, encoding: .utf8)
            platform = try await Platform(
                state: state, port: port, registryPort: registryPort, arguments: ["--verify-key", state + "/other.pub"])
            try await eventually("what was live serves") { try await platform.get("/fn/hello").text == "2" }
            let refused = try await platform.deploy("hello", source("3"))
            #expect(
                refused.status == 422 && refused.text.contains("urn:kiln:image-signed-by-another"), "\(refused.text)")
            let back = try await platform.call(.post, "/func/hello/rollback")
            #expect(back.status == 422 && back.text.contains("urn:kiln:image-signed-by-another"), "\(back.text)")
            #expect(try await platform.get("/fn/hello").text == "2")
            let revisions = try await platform.get("/func/hello/revisions").json["revisions"] as? [Any]
            #expect(revisions?.count == 2)
            await platform.stop()

            // The new key signs what is deployed again, and its digest stays.
            platform = try await Platform(
                state: state, port: port, registryPort: registryPort,
                arguments: ["--signing-key", state + "/other.pem", "--verify-key", state + "/other.pub"])
            let signed = try await platform.mustDeploy("hello", source("2"))
            #expect(signed.json["unchanged"] as? Bool == true)
            #expect(try kiln("key", "--state-dir", state).output == published.output)
            try await platform.mustDeploy("hello", source("4"))
            #expect(try await platform.call(.post, "/func/hello/rollback").status == 200)
            await platform.stop()
        }
    }

    @Test func `a backup has signatures, documents and the key, and a restored platform trusts them`() async throws {
        try await withState { first, port, registryPort in
            let platform = try await Platform(state: first, port: port, registryPort: registryPort)
            for number in 1...2 { try await platform.mustDeploy("hello", source("\(number)")) }
            let before = try await attachments(platform, "hello")
            #expect(before.count == 4)
            #expect(try kiln("backup", first + "/backup.tar", "--state-dir", first).code == 0)
            #expect(try kiln("export", first + "/export.tar", "--state-dir", first).code == 0)
            #expect(!(try run("tar", ["tf", first + "/export.tar"]).output.contains("signing-key")))
            await platform.stop()
            try await withState { second, port, registryPort in
                let restored = try kiln("restore", first + "/backup.tar", "--state-dir", second)
                #expect(restored.code == 0, "\(restored.output)")
                #expect(try key(second) == key(first))
                let platform = try await Platform(
                    state: second, port: port, registryPort: registryPort,
                    arguments: ["--verify-key", second + "/signing-key.pub"])
                try await eventually("the function answers") { try await platform.get("/fn/hello").text == "2" }
                #expect(try await attachments(platform, "hello") == before)
                #expect(try await platform.call(.post, "/func/hello/rollback").status == 200)
                // An import into it is looked at: these are signed by its key.
                #expect(try await platform.call(.delete, "/func/hello").status == 204)
                let imported = try kiln("import", first + "/export.tar", "--state-dir", second)
                #expect(imported.code == 0, "\(imported.output)")
                await platform.stop()
            }
        }
    }

    @Test func `a key that cannot be used ends the start with what to do`() async throws {
        try await withState { state, port, registryPort in
            try "x".write(toFile: state + "/bad.pem", atomically: true, encoding: .utf8)
            for (option, words) in [("--signing-key", "openssl genpkey"), ("--verify-key", "kiln key")] {
                let refused = try kiln(
                    "up", "--state-dir", state, "--listen", "127.0.0.1:\(port)", "--registry-listen",
                    "127.0.0.1:\(registryPort)", "--deno", Platform.deno, option, state + "/bad.pem")
                #expect(refused.code == 1 && refused.output.contains(words), "\(refused.output)")
            }
        }
    }
}
