import Foundation
import Testing
import Transfer

/// A platform whose disk is really full: its state directory is a small file system of its own.
@Suite(.serialized) struct FullDiskTests {
    private static let arguments = ["--min-free-disk", "64Mi"]

    private func source(_ text: String) -> String {
        "export default () => { console.log('called'); return new Response('\(text)'); };"
    }

    /// Gives `body` a state directory that is a tmpfs of 480 MiB.
    private func withSmallDisk(_ body: (String, Int, Int) async throws -> Void) async throws {
        try await withState { state, port, registryPort in
            let mounted = try run("mount", ["-t", "tmpfs", "-o", "size=480m,mode=700", "kiln-test", state])
            try #require(mounted.code == 0, "\(mounted.output)")
            do {
                try await body(state, port, registryPort)
            } catch {
                Issue.record("\(error)\n\(try run("tail", ["-c", "6000", state + "/up.log"]).output)")
            }
            try await endEverything(state)
            _ = try run("umount", ["-l", state])
        }
    }

    /// Writes `file` until not another byte fits.
    private func fill(_ file: String) throws {
        _ = try run("sh", ["-c", "cat /dev/zero >> '\(file)' 2>/dev/null; true"])
    }

    @Test func `deploys are refused, functions go on, a restart works, and room lets deploys in again`() async throws {
        try await withSmallDisk { state, port, registryPort in
            var platform = try await Platform(
                state: state, port: port, registryPort: registryPort, arguments: Self.arguments)
            try await platform.mustDeploy("hello", source("one"))
            try await platform.mustDeploy("hello", source("two"))
            let filler = state + "/filler"

            // Low: refused with a sentence.
            let room = try #require(
                FileManager.default.attributesOfFileSystem(forPath: state)[.systemFreeSize] as? Int)
            _ = try run("fallocate", ["-l", String(room - (40 << 20)), filler])
            let refused = try await platform.deploy("hello", source("three"))
            #expect(refused.status == 507)
            let detail = refused.json["detail"] as? String ?? ""
            // Whatever the platform writes meanwhile lessens what is free.
            let free = try #require(
                detail.firstMatch(of: /has (\d+) MiB free, and deploys need 64 MiB/)?.1, "\(detail)")
            #expect((30...40).contains(Int(free) ?? 0))
            #expect(detail.contains("--min-free-disk") && detail.contains("kiln gc"), "\(detail)")

            // Full to the last byte: calls are answered, also by a function that writes logs; the record can be written.
            try fill(filler)
            try await eventually("the reserve is given up", within: .seconds(60)) {
                !FileManager.default.fileExists(atPath: state + "/reserve")
            }
            for _ in 0..<200 { #expect(try await platform.get("/fn/hello").text == "two") }
            #expect(try await platform.call(.post, "/func/hello/rollback?to=1").status == 200)
            #expect(try await platform.get("/fn/hello").text == "one")
            #expect(try await platform.deploy("other", source("x")).status == 507)

            // A platform that starts on the full disk serves.
            await platform.stop()
            try? FileManager.default.removeItem(atPath: state + "/run/address")
            platform = try await Platform(
                state: state, port: port, registryPort: registryPort, arguments: Self.arguments)
            try await eventually("it serves again", within: .seconds(60)) {
                try await platform.get("/fn/hello").text == "one"
            }
            #expect(try await platform.deploy("other", source("x")).status == 507)

            // With room it is as before.
            try FileManager.default.removeItem(atPath: filler)
            #expect(try await platform.mustDeploy("hello", source("four")).status == 201)
            #expect(try await platform.get("/fn/hello").text == "four")
            try await eventually("there is a reserve again", within: .seconds(60)) {
                FileManager.default.fileExists(atPath: state + "/reserve")
            }
            await platform.stop()
        }
    }

    @Test func `a function whose log cannot be written goes on`() async throws {
        try await withSmallDisk { state, port, registryPort in
            let platform = try await Platform(
                state: state, port: port, registryPort: registryPort, arguments: Self.arguments)
            let source = """
                export default () => { console.log('x'.repeat(4096)); return new Response('written'); };
                """
            try await platform.mustDeploy("chatty", source)
            let filler = state + "/filler"
            for round in 1...3 {
                try fill(filler)
                for _ in 0..<100 { #expect(try await platform.get("/fn/chatty").text == "written", "round \(round)") }
                try await Task.sleep(for: .seconds(2))
            }
            let restarts = try await platform.get("/func/chatty").json["restarts"] as? Int
            #expect(restarts == 0)
            try FileManager.default.removeItem(atPath: filler)
            try await eventually("new lines are kept again", within: .seconds(60)) {
                let marked = try await platform.get("/fn/chatty").text
                let log = try await platform.get("/func/chatty/logs?tail=1").text
                return marked == "written" && !log.isEmpty
            }
            await platform.stop()
        }
    }

    @Test func `a new platform is not begun on a disk without room, and one function too many is refused`() async throws
    {
        try await withSmallDisk { state, port, registryPort in
            let failure = await #expect(throws: PlatformFailure.self) {
                _ = try await Platform(
                    state: state, port: port, registryPort: registryPort, arguments: ["--min-free-disk", "2Gi"])
            }
            #expect(failure?.description.contains("--min-free-disk") == true)
            let platform = try await Platform(
                state: state, port: port, registryPort: registryPort,
                arguments: Self.arguments + ["--max-functions", "1"])
            try await platform.mustDeploy("one", source("one"))
            let refused = try await platform.deploy("two", source("two"))
            #expect(refused.status == 409 && refused.text.contains("--max-functions"))
            try await platform.mustDeploy("one", source("again"))
            #expect(try await platform.call(.delete, "/func/one").status == 204)
            try await platform.mustDeploy("two", source("two"))
            await platform.stop()
        }
    }
}
