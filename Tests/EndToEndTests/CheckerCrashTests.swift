import Contract
import Foundation
import Testing

/// The checker and its children are killed under deploys that go on.
@Suite(.serialized) struct CheckerCrashTests {
    @Test func `deploys pass while the checker and its type checker are killed, and wrong types never do`() async throws
    {
        try await withPlatform { platform in
            try await platform.mustDeploy("first", "export default (): Response => new Response('0')")
            for round in 1...4 {
                let victims = round % 2 == 0 ? Self.processes("/kiln/checker.js") : Self.processes("lsp")
                #expect(!victims.isEmpty)
                for victim in victims where Self.isBelow(platform, victim) { kill(victim, SIGKILL) }
                let answer = try await platform.deploy(
                    "first", "export default (): Response => new Response('\(round)')")
                #expect(answer.status == 201, "\(answer.text)")
                #expect(try await platform.get("/fn/first").text == "\(round)")
                let deploy = try JSONDecoder().decode(DeployAnswer.self, from: Data(answer.bytes))
                if deploy.typesChecked == true { #expect(deploy.warnings == nil) }
                #expect(deploy.typesChecked == true || deploy.warnings?.isEmpty == false)
                let wrong = try await platform.deploy("wrong", "export default (): Response => \(round)")
                let isChecked = wrong.status == 422 && wrong.text.contains("TS2322")
                #expect(isChecked || wrong.text.contains("were not checked"), "\(wrong.text)")
            }
        }
    }

    /// Processes with `argument` as the last word of their command line.
    private static func processes(_ argument: String) -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter { process in
            let line = (try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)) ?? ""
            let words = line.split(separator: "\0")
            return words.first == "/usr/bin/deno" && words.contains { $0 == argument }
        }
    }

    /// Whether the process is in a container of this platform, and not of another that runs beside it.
    private static func isBelow(_ platform: Platform, _ process: Int32) -> Bool {
        let installation = (try? String(contentsOfFile: platform.state + "/installation", encoding: .utf8)) ?? "-"
        let groups = (try? String(contentsOfFile: "/proc/\(process)/cgroup", encoding: .utf8)) ?? ""
        return groups.contains(installation.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
