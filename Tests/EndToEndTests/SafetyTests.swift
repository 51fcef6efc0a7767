import Foundation
import Testing
import Transfer

/// Safe from the start: who may manage the platform, and what a start refuses.
@Suite(.serialized) struct SafetyTests {
    private let source = Array("export default () => new Response('x');".utf8)

    @Test func `a web page cannot deploy`() async throws {
        try await withPlatform { platform in
            let foreign: [(String, String)] = [
                ("Host", "evil.example"), ("Origin", "https://evil.example"), ("Origin", "null"),
                ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin"),
            ]
            for (name, value) in foreign {
                let answer = try await platform.call(.post, "/func?name=x", headers: [name: value], body: source)
                #expect([403, 421].contains(answer.status), "\(name): \(value) answered \(answer.status)")
            }
            #expect(try await platform.call(.get, "/func", headers: ["Host": "evil.example"]).status != 200)
            #expect(try await platform.get("/func").json["functions"] as? [String] == [])
        }
    }

    @Test func `with a token every management call needs it, and a function call does not`() async throws {
        try await withState { state, port, registryPort in
            let file = state + "/management-token"
            try "0123456789abcdef0123456789abcdef\n".write(toFile: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            let platform = try await Platform(
                state: state, port: port, registryPort: registryPort, arguments: ["--token-file", file])
            let without = try await platform.call(.post, "/func?name=x", body: source)
            #expect(without.status == 401 && without.headers["WWW-Authenticate"] != nil)
            let wrong = try await platform.call(
                .post, "/func?name=x", headers: ["Authorization": "Bearer 0123456789abcdef0123456789abcdee"],
                body: source)
            #expect(wrong.status == 401)
            let right = try await platform.call(
                .post, "/func?name=x", headers: ["Authorization": "Bearer 0123456789abcdef0123456789abcdef"],
                body: source)
            #expect(right.status == 201, "\(right.text)")
            #expect(try await platform.get("/fn/x").status == 200)
            await platform.stop()
        }
    }

    @Test(arguments: [
        (["--listen", "0.0.0.0:0"], "--token-file"), (["--listen", "203.0.113.1:1"], "--token-file"),
        (["--registry-listen", "0.0.0.0:0"], "loopback"), (["--listen", "nonsense"], "listen"),
        (["--token-file", "/nonexistent"], "/nonexistent"), (["--threads", "0"], "--threads"),
        (["--max-source", "10MB"], "--max-source"), (["--max-memory", "1"], "--max-memory"),
        (["--kept-logs", "5000"], "--kept-logs"), (["--log-cpu", "1m"], "--log-cpu"),
        (["--log-bytes", "1Ki"], "--log-bytes"), (["--metric-functions", "999999"], "--metric-functions"),
        (["--start-deadline", "0"], "--start-deadline"), (["--instance-pool", "8.8.8.0/20"], "--instance-pool"),
        (["--name-server", "foo"], "--name-server"), (["--trusted-proxy", "foo"], "--trusted-proxy"),
        (["--host-name", "http://x"], "--host-name"), (["--log-bytes", "1x"], "--log-bytes"),
    ])
    func `a start that would not be safe or cannot work ends with a sentence`(arguments: [String], word: String)
        async throws
    {
        try await withState { state, _, _ in
            let result = try run(Platform.program, ["up", "--state-dir", state, "--deno", Platform.deno] + arguments)
            #expect(result.code != 0)
            #expect(result.output.contains(word), "\(result.output)")
        }
    }

    @Test func `a port in use and a state directory in use are named`() async throws {
        try await withPlatform { platform in
            try await withState { other, _, _ in
                let port = platform.url.split(separator: ":").last.map(String.init) ?? ""
                let taken = try run(
                    Platform.program,
                    ["up", "--deno", Platform.deno, "--state-dir", other, "--listen", "127.0.0.1:\(port)"])
                #expect(taken.code != 0 && taken.output.contains("in use"), "\(taken.output)")
                let locked = try run(
                    Platform.program,
                    ["up", "--deno", Platform.deno, "--state-dir", platform.state, "--listen", "127.0.0.1:0"])
                #expect(locked.code != 0 && locked.output.contains("Another 'kiln up'"), "\(locked.output)")
            }
        }
    }

    @Test func `a full disk and a missing permission are one sentence each`() async throws {
        try await withState { state, _, _ in
            let mounted = try run("mount", ["-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", state])
            #expect(mounted.code == 0, "\(mounted.output)")
            defer { _ = try? run("umount", ["-l", state]) }
            let full = try run(Platform.program, ["up", "--state-dir", state, "--listen", "127.0.0.1:0"])
            #expect(full.code != 0 && full.output.contains("MiB free"), "\(full.output)")
            #expect(full.output.split(whereSeparator: \.isNewline).count == 1, "\(full.output)")
        }
        try await withState { state, _, _ in
            let copy = state + ".kiln"
            try FileManager.default.copyItem(atPath: Platform.program, toPath: copy)
            defer { try? FileManager.default.removeItem(atPath: copy) }
            let denied = try run(
                "setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", copy, "up", "--state-dir", state])
            #expect(denied.code != 0 && denied.output.contains("needs root"), "\(denied.output)")
        }
    }

    @Test func `the roles' sockets answer nobody without the internal token`() async throws {
        try await withPlatform { platform in
            for (role, path) in [
                ("deployer", "/func"), ("deployer", "/internal/routes?router=x"), ("builder", "/func?name=x"),
            ] {
                let result = try run(
                    "curl",
                    [
                        "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", "--unix-socket",
                        "\(platform.state)/run/\(role).sock", "http://role\(path)",
                    ])
                #expect(result.output == "401", "\(role) \(path): \(result.output)")
            }
        }
    }
}
