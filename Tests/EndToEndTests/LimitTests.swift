import Contract
import Foundation
import Support
import Testing
import Transfer

/// Limits as an operator sets them by flags of `kiln up`, and as users meet them: each answer names the flag.
@Suite(.serialized) struct LimitTests {
    private static let flags = [
        "--max-source", "4Ki", "--max-functions", "2", "--max-env", "2", "--max-env-bytes", "64", "--max-secrets", "1",
        "--max-secret-bytes", "16", "--max-instances", "2", "--max-memory", "128Mi", "--max-cpu", "1",
        "--max-concurrency", "5", "--max-timeout", "5", "--max-tasks", "100", "--max-open-files", "100", "--max-tmp",
        "1Mi", "--max-target", "2000", "--max-header-bytes", "4Ki", "--max-headers", "12", "--max-body", "1Ki",
        "--max-dependency-files", "1000", "--check-timeout", "20", "--drain", "5", "--max-builds", "4",
        "--max-connections", "500", "--max-waiting", "50", "--max-idle-connections", "8", "--header-timeout", "20",
        "--body-timeout", "20", "--idle-timeout", "20", "--wait-timeout", "20", "--stream-timeout", "20",
        "--websocket-timeout", "20", "--registry-log-bytes", "64Ki", "--max-package-types", "8Mi",
        "--max-package-checks", "1", "--max-type-servers", "1",
    ]

    @Test func `what is beyond a limit is refused with the flag that sets it`() async throws {
        try await withPlatform(arguments: Self.flags) { platform in
            let source = "export default () => new Response('ok');"
            let options: [(String, String)] = [
                ("&min=3", "--max-instances"), ("&max=3", "--max-instances"), ("&memory=129Mi", "--max-memory"),
                ("&cpu=1001m", "--max-cpu"), ("&concurrency=6", "--max-concurrency"), ("&timeout=6", "--max-timeout"),
                ("&env=A=1&env=B=2&env=C=3", "--max-env"), ("&secret=A&secret=B", "--max-secrets"),
                ("&env=A=\(String(repeating: "x", count: 64))", "--max-env-bytes"),
            ]
            for (option, flag) in options {
                let answer = try await platform.deploy(
                    "f", source, option + (option.contains("memory") ? "" : "&memory=128Mi"))
                #expect(answer.status == 400, "\(option): \(answer.text)")
                #expect(answer.text.contains("(\(flag))"), "\(option): \(answer.text)")
            }
            let large = try await platform.deploy("f", source + "//" + String(repeating: "x", count: 4096))
            #expect(large.status == 413 && large.text.contains("--max-source"), "\(large.text)")
            try await platform.mustDeploy("f", source, "&memory=128Mi")
            try await platform.mustDeploy("g", source, "&memory=128Mi")
            let third = try await platform.deploy("h", source, "&memory=128Mi")
            #expect(third.status == 409 && third.text.contains("--max-functions"), "\(third.text)")

            let target = try await platform.get("/fn/f?" + String(repeating: "x", count: 2_100))
            #expect(target.status == 414 && target.text.contains("--max-target"), "\(target.text)")
            let body = try await platform.call(.post, "/fn/f", body: [UInt8](repeating: 65, count: 1_025))
            #expect(body.status == 413 && body.text.contains("--max-body"), "\(body.text)")
            let head = try await platform.call(
                .get, "/fn/f", headers: ["X": String(repeating: "x", count: 4_096)])
            #expect(head.status == 431 && head.text.contains("--max-header-bytes"), "\(head.text)")
        }
    }

    @Test func `a secret that is too large is refused where it is stored, and where it is used`() async throws {
        try await withPlatform(arguments: ["--max-secret-bytes", "16"]) { platform in
            let arguments = ["secret", "set", "KEY", "--state-dir", platform.state]
            let value = Array(String(repeating: "x", count: 17).utf8)
            let refused = try await command(Platform.program, arguments + ["--max-secret-bytes", "16"], input: value)
            #expect(!refused.succeeded && refused.errors.contains("--max-secret-bytes"), "\(refused.errors)")
            #expect(!FileManager.default.fileExists(atPath: platform.state + "/secrets/KEY"))
            #expect(try await command(Platform.program, arguments, input: value).succeeded)
            let answer = try await platform.deploy("f", "export default () => new Response('ok');", "&secret=KEY")
            #expect(answer.status == 422 && answer.text.contains("secret-too-large"), "\(answer.text)")
            #expect(answer.text.contains("17 bytes") && answer.text.contains("--max-secret-bytes"), "\(answer.text)")
        }
    }

    @Test func `the registry's log does not grow for ever`() async throws {
        try await withPlatform(arguments: ["--registry-log-bytes", "64Ki"]) { platform in
            let path = platform.state + "/run/registry.log"
            let log = try #require(FileHandle(forWritingAtPath: path))
            try log.seekToEnd()
            try log.write(contentsOf: Data(repeating: 0x61, count: 100 << 10))
            try log.write(contentsOf: Data("last\n".utf8))
            try await eventually("it is emptied", within: .seconds(60)) {
                try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int == 0
            }
            let earlier = try Data(contentsOf: URL(filePath: path + ".1"))
            #expect(earlier.count == 64 << 10 && earlier.suffix(5) == Data("last\n".utf8))
            // The registry goes on writing at the end of what is there now.
            try await platform.mustDeploy("f", "export default () => new Response('ok');")
        }
    }

    @Test func `an instance has as many files, tasks and bytes of tmp as it may`() async throws {
        try await withPlatform(arguments: ["--max-open-files", "100", "--max-tmp", "1Mi", "--max-tasks", "100"]) {
            platform in
            let source = """
                export default async (request: Request) => {
                  const tried: string[] = [];
                  if (request.method === "HEAD") return new Response();
                  const sockets: Deno.Listener[] = [];
                  try {
                    for (let count = 0; count < 200; count++) sockets.push(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
                    tried.push("all");
                  } catch (error) { tried.push(String(error)); }
                  for (const socket of sockets) socket.close();
                  return new Response(`${sockets.length} ${tried}`);
                };
                """
            try await platform.mustDeploy("f", source)
            let files = try await platform.get("/fn/f")
            let count = files.text.split(separator: " ").first.flatMap { Int($0) } ?? 0
            #expect(files.status == 200 && (1..<100).contains(count), "\(files.text)")
            #expect(files.text.contains("os error 24"), "\(files.text)")
            // It goes on.
            #expect(try await platform.call(.head, "/fn/f").status == 200)
            // What the kernel was told.
            let mounts = try Self.processes(in: platform.state).map {
                try String(contentsOfFile: "/proc/\($0)/mounts", encoding: .utf8)
            }
            #expect(
                mounts.contains {
                    $0.split(separator: "\n").contains { $0.contains(" /tmp tmpfs ") && $0.contains("size=1024k") }
                })
            let groups = try run("sh", ["-c", "find /sys/fs/cgroup -path '*kiln*' -name pids.max -exec cat {} +"])
            #expect(groups.output.split(whereSeparator: \.isNewline).contains("100"), "\(groups.output)")
        }
    }

    /// The first processes of the instances.
    static func processes(in state: String) throws -> [Int] {
        try FileManager.default.contentsOfDirectory(atPath: state + "/instances").compactMap { id in
            (try? String(contentsOfFile: "\(state)/instances/\(id)/pid", encoding: .utf8))
                .flatMap { Int($0.filter { !$0.isWhitespace }) }
        }
    }

    @Test(arguments: [
        ("--max-archive-files", "0"), ("--max-archive-file", "2Gi"), ("--max-archive-bytes", "x"),
        ("--max-archive-ratio", "0"), ("--max-archive-depth", "1001"), ("--max-archive-path", "5000"),
        ("--max-target", "1"), ("--max-target", "40Ki"), ("--max-header-bytes", "64Ki"), ("--max-headers", "0"),
        ("--max-body", "x"), ("--max-connections", "0"), ("--max-waiting", "-1"), ("--max-idle-connections", "-1"),
        ("--header-timeout", "0"), ("--body-timeout", "0"), ("--idle-timeout", "0"), ("--wait-timeout", "0"),
        ("--stream-timeout", "0"), ("--websocket-timeout", "0"), ("--max-tasks", "10"), ("--max-open-files", "10"),
        ("--max-tmp", "1"), ("--max-secret-bytes", "1Mi"), ("--max-secrets", "0"), ("--max-env", "0"),
        ("--max-env-bytes", "x"), ("--max-builds", "0"), ("--check-timeout", "0"), ("--max-instances", "0"),
        ("--max-cpu", "x"), ("--max-timeout", "0"), ("--max-concurrency", "0"), ("--registry-log-bytes", "1"),
        ("--max-dependency-files", "0"), ("--max-functions", "0"), ("--drain", "9999"), ("--access-log-bytes", "1"),
        ("--max-package-types", "1"), ("--max-package-checks", "0"), ("--max-type-servers", "33"),
        ("--access-log-sample", "2"),
    ])
    func `a value that a limit cannot have ends the start with a sentence that names it`(flag: String, value: String)
        async throws
    {
        try await withState { state, _, _ in
            let result = try run(
                Platform.program,
                ["up", "--state-dir", state, "--deno", Platform.deno, "--listen", "127.0.0.1:0", "\(flag)=\(value)"])
            #expect(result.code != 0 && result.output.contains("\(flag) cannot be"), "\(result.output)")
        }
    }
}
