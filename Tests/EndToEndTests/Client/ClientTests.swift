import Foundation
import Support
import Testing

/// Every command of the client against a real platform. Few tests with many steps each: a platform takes its time to start.
@Suite(.serialized) struct ClientTests {
    private static let greeter = "export default () => new Response('one');\n"

    @Test func `a platform behind TLS is trusted by --ca-file, and by nothing less`() async throws {
        try await withPlatform { platform in
            try await withTool(platform.url) { kiln in
                let made = try run(
                    "sh",
                    [
                        "-c",
                        """
                        cd \(kiln.directory) && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
                        -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
                        """,
                    ])
                #expect(made.code == 0, "\(made.output)")
                let port = platform.url.replacing("http://127.0.0.1:", with: "")
                let proxy = ["-uc", Self.proxy, kiln.directory, port]
                try await withChildReady("python3", proxy) { (listening) async throws in
                    let url = "https://localhost:\(listening)"
                    try kiln.write("greeter.ts", Self.greeter)
                    let certificate = kiln.directory + "/cert.pem"
                    let deployed = try kiln("deploy", "greeter.ts", "--url", url, "--ca-file", certificate)
                    #expect(deployed.code == 0, "\(deployed)")
                    #expect(try await platform.get("/fn/greeter").text == "one")
                    var trusting = kiln
                    trusting.environment["KILN_CA_FILE"] = certificate
                    #expect(try trusting("list", "--url", url).output.contains("greeter"))
                    let distrusted = try kiln("list", "--url", url)
                    #expect(distrusted.code != 0 && distrusted.errors.contains("certificate"), "\(distrusted)")
                    let missing = try kiln("list", "--url", url, "--ca-file", "/nonexistent.pem")
                    #expect(missing.code != 0 && missing.errors.contains("/nonexistent.pem"), "\(missing)")
                }
            }
        }
    }

    /// Takes TLS connections and passes what is in them to a port; prints where it listens.
    private static let proxy = """
        import socket, ssl, sys, threading
        directory, port = sys.argv[1], int(sys.argv[2])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory + "/cert.pem", directory + "/key.pem")
        def pump(a, b):
            try:
                while data := a.recv(65536): b.sendall(data)
            except OSError: pass
            for s in (a, b):
                try: s.shutdown(socket.SHUT_RDWR)
                except OSError: pass
        def serve(raw):
            try:
                client = context.wrap_socket(raw, server_side=True)
                server = socket.create_connection(("127.0.0.1", port))
            except OSError: return
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            pump(client, server)
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1])
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        """

    @Test func `a function's life, from deploy to delete`() async throws {
        try await withPlatform { platform in
            try await withTool(platform.url) { kiln in
                try kiln.write("greeter.ts", Self.greeter)
                try await deploys(kiln, platform)
                try looks(kiln)
                try await goesBack(kiln, platform)
                try showsOnTerminal(kiln)
                try reportsErrors(kiln)
                try completes(kiln)
                let status = try kiln("status", "--json", "--state-dir", platform.state)
                #expect(status.code == 0 && status.json["ready"] as? Bool == true, "\(status)")
                #expect((status.json["roles"] as? [[String: Any]])?.count == 4)
                #expect(status.json["freeBytes"] is Int && status.json["functions"] is Int)
                let remote = try kiln("status").output
                let version = try #require(status.json["clientVersion"] as? String)
                #expect(remote.contains("deployer   ready, kiln \(version)") && !remote.contains("Disk"), "\(remote)")

                #expect(try kiln("delete", "greeter", "--json").json["deleted"] as? Bool == true)
                #expect(try kiln("delete", "greeter").code == 4)
                #expect(try await platform.get("/fn/greeter").status == 404)
            }
        }
    }

    private func deploys(_ kiln: CommandLineTool, _ platform: Platform) async throws {
        let first = try kiln("deploy", "greeter.ts")
        #expect(first.code == 0, "\(first)")
        #expect(first.output == "greeter: revision 1 is live at \(platform.url)/fn/greeter\n")
        #expect(first.errors.isEmpty, "progress and timings are for terminals")
        #expect(try await platform.get("/fn/greeter").text == "one")
        #expect(try kiln("deploy", "greeter.ts").output.hasPrefix("greeter: unchanged, revision 1 "))

        try kiln.write(".env.test", "# settings\nGREETING='hi there'\nOVERRIDDEN=file\n")
        try kiln.write("settings.ts", "export default () => new Response(Object.values(Deno.env.toObject()).join());")
        var kiln = kiln
        kiln.environment["FROM_HERE"] = "taken along"
        let second = try kiln(
            "deploy", "settings.ts", "--name", "greeter", "--env-file", ".env.test", "--env", "OVERRIDDEN=flag=1&2",
            "--env",
            "FROM_HERE", "--memory", "128Mi", "--timeout", "30", "--concurrency", "7", "--max", "2", "--network",
            "none",
            "--cpu", "500m", "--json")
        #expect(second.json["revision"] as? Int == 2 && second.json["timings"] is [String: Any], "\(second)")
        let text = try await platform.get("/fn/greeter").text
        #expect(text.contains("hi there") && text.contains("flag=1&2") && text.contains("taken along"), "\(text)")

        let dry = try kiln("deploy", "-", "--name", "piped", "--dry-run", input: Self.greeter)
        #expect(dry.code == 0 && dry.output.contains("sha256:") && dry.output.contains("Nothing was changed"))
        #expect(try kiln("show", "piped").code == 4)
        #expect(try kiln("deploy", "-", "--name", "piped", "--no-wait", input: Self.greeter).code == 0)
        try await eventually("the piped function answers", within: .seconds(60)) {
            try await platform.get("/fn/piped").text == "one"
        }
    }

    private func looks(_ kiln: CommandLineTool) throws {
        let list = try kiln("list").output.split(separator: "\n")
        #expect(list.count == 3 && list[0].hasPrefix("NAME") && list[1].hasPrefix("greeter"), "\(list)")
        #expect(try kiln("ls", "-q").output == "greeter\npiped\n")
        let names = (try kiln("list", "--json").json["functions"] as? [[String: Any]])?.compactMap {
            $0["name"] as? String
        }
        #expect(names == ["greeter", "piped"])
        let shown = try kiln("show", "greeter").output
        for line in ["128 MiB", "0.5 cores", "GREETING", "30 s", "none"] {
            #expect(shown.contains(line), "\(line): \(shown)")
        }
        #expect(try kiln("show", "greeter", "--json").json["revision"] as? Int == 2)
        #expect(try kiln("open", "greeter").output.hasSuffix("/fn/greeter\n"))
        let revisions = try kiln("revisions", "greeter").output.split(separator: "\n")
        #expect(
            revisions.count == 3 && revisions[1].contains("live") && revisions[1].contains("sha256:"), "\(revisions)")
    }

    private func goesBack(_ kiln: CommandLineTool, _ platform: Platform) async throws {
        #expect(try kiln("rollback", "greeter").output.contains("rolled back from revision 2 to 1"))
        #expect(try await platform.get("/fn/greeter").text == "one")
        #expect(try kiln("rollback", "greeter", "--to", "1").output.contains("revision 1 is live already"))
        #expect(try kiln("rollback", "greeter", "--to", "99").code == 4)
        #expect(try kiln("pin", "greeter@2").output.contains("/fn/greeter@2"))
        #expect(try await platform.get("/fn/greeter@2").text.contains("hi there"))
        #expect(try kiln("unpin", "greeter", "2").code == 0)
        #expect(try kiln("revisions", "greeter", "--history").output.contains("rollback"))
        #expect(try kiln("rollback", "piped").code == 1, "there is nothing to roll back to")
    }

    private func showsOnTerminal(_ kiln: CommandLineTool) throws {
        let list = try kiln.onTerminal(["list"], width: 50)
        #expect(list.output.contains("\u{1b}[1mNAME\u{1b}[0m") && list.output.contains("ago"))
        for line in list.output.replacing(/\u{1b}\[[0-9;]*m/, with: "").split(separator: "\r\n") {
            #expect(line.count <= 50, "\(line)")
        }
        var plain = kiln
        plain.environment["NO_COLOR"] = "1"
        #expect(try !plain.onTerminal(["list"]).output.contains("\u{1b}["))
        #expect(try kiln("list", "--color", "always").output.contains("\u{1b}[1m"))
        let deployed = try kiln.onTerminal(["deploy", "greeter.ts", "--name", "typed"])
        #expect(deployed.code == 0 && deployed.output.contains("typed: revision 1") && deployed.output.contains("ms"))
        let kept = try kiln.onTerminal(["delete", "typed"], steps: [("[y/N] ", "n\n")])
        #expect(kept.code == 1 && kept.output.contains("Nothing was deleted"))
        #expect(try kiln.onTerminal(["delete", "typed"], steps: [("[y/N] ", "y\n")]).code == 0)
        #expect(try kiln("show", "typed").code == 4)
    }

    private func reportsErrors(_ kiln: CommandLineTool) throws {
        try kiln.write("bad.ts", "export default () => {\n  let x = ;\n};\n")
        let bad = try kiln("deploy", "bad.ts")
        #expect(bad.code == 5 && bad.output.isEmpty)
        let lines = bad.errors.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(lines.count >= 4, "\(lines)")
        #expect(lines[0].hasPrefix("bad.ts:2:") && lines[0].contains(": error "), "\(lines)")
        #expect(lines[1] == "2 |   let x = ;" && lines[2].hasSuffix("^"), "\(lines)")
        try kiln.write("types.ts", "const n: number = 'x';\nexport default () => new Response(`${n}`);\n")
        let types = try kiln("deploy", "types.ts")
        #expect(types.code == 5 && types.errors.hasPrefix("types.ts:1:7: error TS2322: "), "\(types)")
        #expect(types.errors.contains("1 | const n: number = 'x';\n  |       ^\n"), "\(types)")
        #expect(try kiln("deploy", "types.ts", "--no-check", "--dry-run").code == 0)
        let document = try kiln("deploy", "bad.ts", "--json")
        #expect(document.code == 5 && document.errors.isEmpty && document.json["diagnostics"] is [Any])

        try kiln.write("dead.ts", "console.log('last words'); Deno.exit(3); export default () => new Response('x');\n")
        let dead = try kiln("deploy", "dead.ts")
        #expect(dead.code == 5 && dead.errors.contains("last words"), "\(dead)")
        let option = try kiln("deploy", "greeter.ts", "--memory", "1k")
        #expect(option.code == 2 && option.errors.contains("memory"))
        #expect(try kiln("deploy", "greeter.ts", "--secret", "NOT_THERE").code == 5)
    }

    private func completes(_ kiln: CommandLineTool) throws {
        try kiln.write("kiln.bash", try kiln("completions", "bash").output)
        let script = """
            cd '\(kiln.directory)' && PATH="$(dirname '\(Platform.program)'):$PATH" && . ./kiln.bash
            COMP_WORDS=(kiln show gr); COMP_CWORD=2; COMP_LINE='kiln show gr'; COMP_POINT=12; COMP_TYPE=9
            $(complete -p kiln | sed 's/.*-F \\([^ ]*\\).*/\\1/') kiln gr show; echo "${COMPREPLY[@]}"
            """
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        process.arguments = ["-c", script]
        process.environment = kiln.environment
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(output.contains("greeter"), "\(output)")
    }

    @Test func `what goes on goes on: logs over restarts, deploys over edits`() async throws {
        try await withState { state, port, registryPort in
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            try await withTool(platform.url) { kiln in
                let source = """
                    console.log("begun");
                    export default (request: Request) => {
                      console.log(new URL(request.url).pathname, "\\x1b]0;owned\\x07");
                      if (request.url.endsWith("die")) Deno.exit(7);
                      return new Response("ok");
                    };
                    """
                try kiln.write("talker.ts", source)
                #expect(try kiln("deploy", "talker.ts").code == 0)
                _ = try await platform.get("/fn/talker/first")
                try await eventually("the first line is kept", within: .seconds(60)) {
                    try kiln("logs", "talker").output.contains("/first")
                }
                let once = try kiln("logs", "talker", "--tail", "1", "--since", "10m").output
                #expect(
                    once.split(separator: "\n").count == 1 && once.contains(" r1/") && once.contains("\u{1b}]0;owned"))
                let shown = try kiln.onTerminal(["logs", "talker"]).output
                #expect(shown.contains("^[]0;owned^G") && !shown.contains("\u{1b}]0;"))

                let follower = try kiln.start(["logs", "-f", "talker", "--json"])
                func sees(_ text: String) async throws {
                    try await eventually("the follower prints \(text)", within: .seconds(60)) {
                        follower.printed.contains(text)
                    }
                }
                try await sees("/first")
                _ = try await platform.get("/fn/talker/die")
                try await sees("/die")
                try await eventually("the function is up again", within: .seconds(60)) {
                    try await platform.get("/fn/talker/second").status == 200
                }
                try await sees("/second")

                let previous = try kiln("logs", "talker", "--previous", "--stream", "stdout", "--revision", "1").output
                #expect(previous.contains("/die") && !previous.contains("/second"), "\(previous)")

                await platform.stop()
                platform = try await Platform(state: state, port: port, registryPort: registryPort)
                try await eventually("the function answers after the restart", within: .seconds(60)) {
                    try await platform.get("/fn/talker/third").status == 200
                }
                try await sees("/third")
                #expect(follower.end() == 0)
                let lines = follower.printed.split(separator: "\n")
                let kept = try kiln("logs", "talker", "--json").output.split(separator: "\n")
                #expect(
                    lines.sorted() == kept.sorted(), "no line is shown twice or left out")
                for line in lines { #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) != nil) }

                try await watches(kiln, platform)
            }
            await platform.stop()
        }
    }

    private func watches(_ kiln: CommandLineTool, _ platform: Platform) async throws {
        try kiln.write("live.ts", Self.greeter)
        let watcher = try kiln.start(["deploy", "live.ts", "--watch"])
        func until(_ what: String, _ condition: () async throws -> Bool) async throws {
            try await eventually(what, within: .seconds(60), condition)
        }
        try await until("the first deploy is live") { try await platform.get("/fn/live").text == "one" }
        try kiln.write("live.ts", "export default () => new Response(;\n")
        try await until("the error is shown") { watcher.complained.contains("live.ts:1:") }
        #expect(try await platform.get("/fn/live").text == "one")
        try kiln.write("live.ts", "export default () => new Response('two');\n")
        try await until("the mended file is live") { try await platform.get("/fn/live").text == "two" }
        #expect(watcher.end() == 0)
        #expect(watcher.printed.contains("revision 2"))
    }

    @Test func `a platform with a token is told it, and never by an argument`() async throws {
        try await withState { state, port, registryPort in
            let file = state + "/management-token"
            try "0123456789abcdef0123456789abcdef\n".write(toFile: file, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            let platform = try await Platform(
                state: state, port: port, registryPort: registryPort, arguments: ["--token-file", file])
            try await withTool(platform.url) { kiln in
                let without = try kiln("list")
                #expect(without.code == 6)
                for place in ["--token-file", "KILN_TOKEN_FILE", "KILN_TOKEN"] {
                    #expect(without.errors.contains(place))
                }
                #expect(try kiln("list", "--token-file", file).code == 0)
                var other = kiln
                other.environment["KILN_TOKEN_FILE"] = file
                #expect(try other("list").code == 0)
                other.environment["KILN_TOKEN"] = "not the token, though long"
                let wrong = try other("list")
                #expect(wrong.code == 6 && wrong.errors.contains("KILN_TOKEN"))
                #expect(!wrong.errors.contains("not the token, though long"))
            }
            await platform.stop()
        }
    }

    @Test func `run serves a file without a platform and follows its changes`() async throws {
        try await withTool("http://127.0.0.1:1") { kiln in
            let port = try freePort()
            let client = try HTTPProbe(port: port)
            try kiln.write(
                "event.ts",
                "export default async ({ req }: any) => { await req.respondWith(new Response(Deno.env.get('A'))); };\n")
            let running = try kiln.start(["run", "event.ts", "--listen", "127.0.0.1:\(port)", "--env", "A=first"])
            try await eventually("the function answers", within: .seconds(60)) { try await client.text() == "first" }
            try await eventually("the address is told", within: .seconds(60)) {
                running.complained.contains("http://127.0.0.1:\(port)/")
            }
            try kiln.write("event.ts", "export default () => new Response(;\n")
            try await eventually("the error is shown", within: .seconds(60)) {
                running.complained.contains("event.ts:1:")
            }
            #expect(try await client.text() == "first")
            try kiln.write("event.ts", "Deno.serve(() => new Response('second ' + Deno.cwd()));\n")
            try await eventually("the change is served", within: .seconds(60)) {
                try await client.text().hasPrefix("second ")
            }
            let directory = try await client.text().dropFirst("second ".count)
            try kiln.write("event.ts", "const n: number = 'x';\nexport default () => new Response(`third ${n}`);\n")
            try await eventually("the type error is shown", within: .seconds(60)) {
                running.complained.contains("event.ts:1:7: error TS2322")
            }
            #expect(try await client.text() == "third x", "it runs nevertheless")
            #expect(running.end() == 0)
            #expect(!FileManager.default.fileExists(atPath: String(directory)), "nothing is left behind")
            try kiln.write("bad.ts", "export const x = 1;\n")
            let bad = try kiln("run", "bad.ts", "--no-reload", "--listen", "127.0.0.1:0")
            #expect(bad.code == 5 && bad.errors.contains("bad.ts"), "\(bad)")
        }
    }
}
