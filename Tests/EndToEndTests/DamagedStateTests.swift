import Foundation
import Testing
import Transfer

/// State directories that are not as Kiln left them: one sentence that says what to do, and nothing is overwritten.
@Suite(.serialized) struct DamagedStateTests {
    private static let source = "export default () => new Response(Deno.env.get('KEY') ?? 'ok');"

    /// `kiln up` on `state`, which is to refuse; returns what it printed.
    private func refused(_ state: String) throws -> String {
        let result = try run(
            Platform.program,
            [
                "up", "--state-dir", state, "--deno", Platform.deno, "--listen", "127.0.0.1:0", "--registry-listen",
                "127.0.0.1:0",
            ])
        #expect(result.code != 0)
        return result.output
    }

    private func set(_ mode: Int, _ path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test func `a directory that others may read or own is refused with the command that helps`() async throws {
        try await withState { state, _, _ in
            try set(0o755, state)
            #expect(try refused(state).contains("chmod 700 \(state)"))
            try set(0o700, state)
            try FileManager.default.createDirectory(atPath: state + "/secrets", withIntermediateDirectories: false)
            try set(0o770, state + "/secrets")
            #expect(try refused(state).contains("chmod 700 \(state)/secrets"))
            try set(0o700, state + "/secrets")
            chown(state, 65534, 65534)
            #expect(try refused(state).contains("chown -R 0 \(state)"))
        }
    }

    @Test func `a record that is damaged or missing is refused, and nothing is overwritten`() async throws {
        try await withState { state, port, registryPort in
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            try await platform.mustDeploy("hello", Self.source)
            await platform.stop()
            let record = URL(filePath: state + "/kiln.sqlite")
            let whole = try Data(contentsOf: record)

            var broken = whole
            broken.replaceSubrange(0..<2048, with: [UInt8](repeating: 0x55, count: 2048))
            try broken.write(to: record)
            #expect(try refused(state).contains("Nothing was changed"))
            #expect(try Data(contentsOf: record) == broken)

            try FileManager.default.removeItem(at: record)
            #expect(try refused(state).contains("images of 1 functions, but no \(state)/kiln.sqlite"))
            #expect(!FileManager.default.fileExists(atPath: record.path))

            try whole.write(to: record)
            try set(0o600, record.path)
            let id = try String(contentsOfFile: state + "/installation", encoding: .utf8)
            try "nonsense\n".write(toFile: state + "/installation", atomically: false, encoding: .utf8)
            #expect(try refused(state).contains("'nonsense' instead of six hexadecimal digits"))
            try id.write(toFile: state + "/installation", atomically: false, encoding: .utf8)

            platform = try await Platform(state: state, port: port, registryPort: registryPort)
            try await eventually("it serves again", within: .seconds(60)) {
                try await platform.get("/fn/hello").text == "ok"
            }
            await platform.stop()
        }
    }

    @Test func `functions with a damaged secret or a lost image say so, and the others serve`() async throws {
        try await withState { state, port, registryPort in
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            let secret = state + "/secrets/KEY"
            try "value".write(toFile: secret, atomically: false, encoding: .utf8)
            try await platform.mustDeploy("steady", Self.source)
            try await platform.mustDeploy("secretive", Self.source, "&secret=KEY")
            let lost = try await platform.mustDeploy("lost", "export default () => new Response('lost');")
            await platform.stop()

            try Data([0x61, 0, 0x62]).write(to: URL(filePath: secret))
            let digest = try #require(lost.json["digest"] as? String).dropFirst("sha256:".count)
            let blobs = "\(state)/registry/docker/registry/v2/blobs/sha256"
            let manifest = try String(contentsOfFile: "\(blobs)/\(digest.prefix(2))/\(digest)/data", encoding: .utf8)
            let layer = try #require(manifest.matches(of: /sha256:([0-9a-f]{64})/).last).1
            try FileManager.default.removeItem(atPath: "\(blobs)/\(layer.prefix(2))/\(layer)/data")
            for name in ["layers", "blobs"] { try FileManager.default.removeItem(atPath: "\(state)/\(name)") }

            platform = try await Platform(state: state, port: port, registryPort: registryPort)
            let current = platform
            try await eventually("the whole one serves", within: .seconds(60)) {
                try await current.get("/fn/steady").text == "ok"
            }
            for (name, word) in [("secretive", "kiln secret set KEY"), ("lost", "deploy its source again")] {
                try await eventually("\(name) says what to do", within: .seconds(60)) {
                    (try await current.get("/func/\(name)").json["lastFailure"] as? String)?.contains(word) == true
                }
            }
            try "mended".write(toFile: secret, atomically: false, encoding: .utf8)
            try await eventually("it takes the mended secret", within: .seconds(60)) {
                try await current.get("/fn/secretive").text == "mended"
            }
            try await platform.mustDeploy("lost", "export default () => new Response('found');")
            #expect(try await platform.get("/fn/lost").text == "found")
            await platform.stop()
        }
    }
}
