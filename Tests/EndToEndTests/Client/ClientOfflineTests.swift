import Foundation
import Support
import Testing

/// The client without a platform: what it says when something is missing or wrong, and what needs none.
@Suite struct ClientOfflineTests {
    /// Nothing listens there: port 1 of loopback.
    private let nowhere = "http://127.0.0.1:1"

    @Test func `a wrong command line ends with 2 and says what would be right`() async throws {
        try await withTool(nowhere) { kiln in
            let unknown = try kiln("lst")
            #expect(unknown.code == 2 && unknown.errors.contains("'lst'") && unknown.errors.contains("'list'"))
            #expect(try kiln("nosuchthing").errors.contains("kiln --help"))
            #expect(try kiln("list", "--nonsense").code == 2)
            #expect(try kiln("deploy").code == 2)
            #expect(try kiln("show", "Not_A_Name").code == 2)
            #expect(try kiln("logs", "x", "--since", "yesterday").code == 2)
            #expect(try kiln("pin", "x").code == 2)
            #expect(try kiln("deploy", "-", input: "x").errors.contains("--name"))
            #expect(try kiln("list", "--url", "127.0.0.1:8080").code == 2)
            #expect(try kiln("list", "--color", "maybe").code == 2)
            #expect(try kiln("completions", "tcsh").code == 2)
        }
    }

    @Test func `a platform that does not answer ends with 3 and says how to start one`() async throws {
        try await withTool(nowhere) { kiln in
            for arguments in [["list"], ["show", "x"], ["logs", "-f", "x"], ["revisions", "x"], ["status"]] {
                let running = try kiln.start(arguments)
                running.process.waitUntilExit()
                #expect(running.process.terminationStatus == 3, "\(arguments)")
                #expect(running.complained.contains("kiln up"), "\(arguments): \(running.complained)")
                #expect(running.complained.contains("KILN_URL"))
            }
            let document = try kiln("list", "--json")
            #expect(document.code == 3 && document.errors.isEmpty)
            #expect(document.json["exitCode"] as? Int == 3 && document.json["detail"] is String)
        }
    }

    @Test func `a file that is not there ends with 4`() async throws {
        try await withTool(nowhere) { kiln in
            let missing = try kiln("deploy", "none.ts")
            #expect(missing.code == 4 && missing.errors.contains("none.ts"))
            #expect(try kiln("run", "none.ts").code == 4)
            #expect(try kiln("list", "--token-file", "none").code == 6)
        }
    }

    @Test func `help lists every command with its purpose, newcomers' first`() async throws {
        try await withTool(nowhere) { kiln in
            let help = try kiln("--help")
            #expect(help.code == 0 && help.errors.isEmpty)
            var place = help.output.startIndex
            for command in [
                "init", "run", "deploy", "list", "show", "logs", "delete", "revisions", "rollback", "pin", "up",
                "status",
                "secret", "builder",
            ] {
                let found = try #require(
                    help.output.range(of: "\n  \(command)", range: place..<help.output.endIndex), "\(command)")
                place = found.upperBound
                let one = try kiln(command, "--help")
                #expect(one.code == 0 && one.output.contains("OVERVIEW:"), "\(command)")
            }
            #expect(try kiln("--version").output.split(separator: ".").count == 3)
        }
    }

    @Test func `init writes a function once and names what comes next`() async throws {
        try await withTool(nowhere) { kiln in
            let made = try kiln("init", "greeter")
            #expect(made.code == 0 && made.output.contains("kiln deploy greeter.ts"))
            let text = try String(contentsOfFile: kiln.directory + "/greeter.ts", encoding: .utf8)
            #expect(text.contains("export default"))
            let again = try kiln("init", "greeter")
            #expect(again.code == 2 && again.errors.contains("--force"))
            #expect(try kiln("init", "greeter", "--force").code == 0)
            #expect(try kiln("init", "--json").json["file"] as? String == "hello.ts")
        }
    }

    @Test func `a function that imports a package runs here, with the registry and the cache that Deno has here`()
        async throws
    {
        try await withNPMRegistry([TestPackage("twice", "1.0.0", main: "exports.twice = (n) => 2 * n;")]) { npm in
            try await withTool(nowhere) { kiln in
                var kiln = kiln
                kiln.environment["NPM_CONFIG_REGISTRY"] = npm
                kiln.environment["DENO_DIR"] = kiln.directory + "/cache"
                try kiln.write(
                    "f.ts",
                    "import { twice } from 'npm:twice@1';\nexport default () => new Response(String(twice(21)));\n")
                let running = try kiln.start(["run", "f.ts", "--listen", "127.0.0.1:0"])
                try await eventually("it serves", within: .seconds(60)) { running.complained.contains("answers at") }
                let url = try #require(running.complained.firstMatch(of: /answers at (http:\S+)/)?.1)
                #expect(try run("curl", ["-s", String(url)]).output == "42")
                _ = running.end()
                #expect(FileManager.default.fileExists(atPath: kiln.directory + "/cache/npm"))
            }
        }
    }

    @Test func `what killed runs left in tmp is removed by the next, what others use stays`() async throws {
        try await withTool(nowhere) { kiln in
            try kiln.write("f.ts", "export default () => new Response('ok');\n")
            func directories() throws -> Set<String> {
                Set(try FileManager.default.contentsOfDirectory(atPath: "/tmp").filter { $0.hasPrefix("kiln-run-") })
            }
            func processes(in directory: String) throws -> Int {
                try run("sh", ["-c", "readlink /proc/[0-9]*/cwd | grep -c '^/tmp/\(directory)/' || true"]).output
                    .split(separator: "\n").first.flatMap { Int($0) } ?? 0
            }
            func serving(_ before: Set<String>) async throws -> (CommandLineTool.Running, String) {
                let running = try kiln.start(["run", "f.ts", "--listen", "127.0.0.1:0", "--no-check"])
                try await eventually("it serves", within: .seconds(60)) { running.complained.contains("answers at") }
                return (running, try #require(try directories().subtracting(before).first))
            }
            let (killed, left) = try await serving(try directories())
            _ = killed.end(SIGKILL)
            #expect(try directories().contains(left))
            #expect(try processes(in: left) > 0)
            let (living, used) = try await serving(try directories())
            #expect(try !directories().contains(left))
            #expect(try processes(in: left) == 0)
            let (other, _) = try await serving(try directories())
            #expect(try directories().contains(used))
            #expect(try processes(in: used) > 0)
            _ = living.end()
            _ = other.end()
            #expect(try !directories().contains(used))
        }
    }

    @Test func `secrets are kept, listed without values, and removed`() async throws {
        try await withTool(nowhere) { kiln in
            let state = ["--state-dir", kiln.directory + "/state"]
            func secret(_ arguments: [String], input: String? = nil) throws -> ToolRun {
                let running = try kiln.start(["secret"] + arguments + state, input: input)
                running.process.waitUntilExit()
                return ToolRun(
                    code: running.process.terminationStatus, output: running.printed, errors: running.complained)
            }
            #expect(try secret(["list"]).output == "")
            let empty = try secret(["set", "API_KEY"], input: "\n")
            #expect(empty.code == 2 && empty.errors.contains("kiln secret set API_KEY"), "\(empty)")
            #expect(try secret(["list"]).output == "")
            let stored = try secret(["set", "API_KEY"], input: "s3cret\n").output
            #expect(stored.contains("Stored API_KEY (6 bytes)") && stored.contains("--secret API_KEY"), "\(stored)")
            let replaced = try secret(["set", "API_KEY"], input: "n3w\n").output
            #expect(replaced.contains("Replaced API_KEY (3 bytes)") && replaced.contains("--env "), "\(replaced)")
            #expect(try secret(["set", "OTHER", "--json"], input: "x").json["bytes"] as? Int == 1)
            #expect(try secret(["list"]).output == "API_KEY\nOTHER\n")
            #expect(
                try secret(["list", "--json"]).output == #"{"secrets":[{"name":"API_KEY"},{"name":"OTHER"}]}"# + "\n")
            #expect(try secret(["set", "DENO_DIR"], input: "x").code == 2)
            #expect(try secret(["rm", "OTHER"]).code == 0)
            let gone = try secret(["rm", "OTHER"])
            #expect(gone.code == 4 && gone.errors.contains("kiln secret list"))
            let typed = try kiln.onTerminal(
                ["secret", "set", "TYPED"] + state, steps: [("Value of TYPED: ", "hidden words\n")])
            #expect(typed.code == 0 && typed.output.contains("12 bytes") && !typed.output.contains("hidden"))
        }
    }

    @Test(arguments: [("bash", "complete"), ("zsh", "#compdef kiln"), ("fish", "complete -c")])
    func `there are completions for each shell, and the shell takes them`(shell: String, word: String) async throws {
        try await withTool(nowhere) { kiln in
            let script = try kiln("completions", shell)
            #expect(script.code == 0 && script.output.contains(word))
            guard shell == "bash" else { return }
            try kiln.write("kiln.bash", script.output)
            let checked = try run("bash", ["-n", kiln.directory + "/kiln.bash"])
            #expect(checked.code == 0, "\(checked.output)")
        }
    }

    @Test func `a reader that goes away ends the client without a word`() async throws {
        try await withTool(nowhere) { kiln in
            let result = try run(
                "bash",
                [
                    "-c",
                    "set -o pipefail; '\(Platform.program)' completions bash | head -n 1; echo \"${PIPESTATUS[0]}\"",
                ])
            let lines = result.output.split(separator: "\n")
            #expect(lines.count == 2, "\(result.output)")
            #expect(["0", "141"].contains(lines.last.map(String.init) ?? ""))
        }
    }
}
