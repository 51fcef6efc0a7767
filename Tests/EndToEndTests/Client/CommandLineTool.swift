import Foundation
import Testing

/// One run of `kiln` with everything it printed.
struct ToolRun {
    let code: Int32
    let output: String
    let errors: String

    /// Standard output as a JSON object; empty when it is none.
    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any]) ?? [:]
    }
}

/// The `kiln` of this build as a person in `directory` uses it.
struct CommandLineTool {
    let directory: String
    var environment: [String: String]

    /// A tool whose platform is at `url`.
    init(directory: String, url: String) {
        self.directory = directory
        environment = ["PATH": "/usr/bin:/bin", "HOME": directory, "KILN_URL": url, "KILN_DENO": Platform.deno]
    }

    /// A running `kiln`; `output` and `errors` are files that grow.
    final class Running {
        let process = Process()
        let output: String
        let errors: String

        fileprivate init(_ output: String, _ errors: String) {
            self.output = output
            self.errors = errors
        }

        var printed: String { Self.text(output) }
        var complained: String { Self.text(errors) }

        private static func text(_ path: String) -> String {
            String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        }

        /// Sends a signal and waits for the end.
        func end(_ signal: Int32 = SIGINT) -> Int32 {
            kill(process.processIdentifier, signal)
            process.waitUntilExit()
            return process.terminationStatus
        }
    }

    /// Starts `kiln` with `arguments`.
    func start(_ arguments: [String], input: String? = nil) throws -> Running {
        let id = String(UInt32.random(in: 0 ... .max), radix: 16)
        let running = Running("\(directory)/.\(id).out", "\(directory)/.\(id).err")
        for path in [running.output, running.errors] {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        let process = running.process
        process.executableURL = URL(filePath: Platform.program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(filePath: directory)
        process.environment = environment
        process.standardOutput = try Self.opened(FileHandle(forWritingAtPath: running.output))
        process.standardError = try Self.opened(FileHandle(forWritingAtPath: running.errors))
        process.standardInput = FileHandle.nullDevice
        if let input {
            let path = "\(directory)/.\(id).in"
            try input.write(toFile: path, atomically: true, encoding: .utf8)
            process.standardInput = try Self.opened(FileHandle(forReadingAtPath: path))
        }
        try process.run()
        return running
    }

    private static func opened(_ file: FileHandle?) throws -> FileHandle { try #require(file) }

    /// Runs `kiln` with `arguments` to its end.
    @discardableResult
    func callAsFunction(_ arguments: String..., input: String? = nil) throws -> ToolRun {
        let running = try start(arguments, input: input)
        running.process.waitUntilExit()
        return ToolRun(
            code: running.process.terminationStatus, output: running.printed, errors: running.complained)
    }

    /// Runs `kiln` on a pseudo-terminal of `width` columns. Each step waits until a text has been printed after the one before, then types.
    func onTerminal(
        _ arguments: [String], width: Int = 80, steps: [(wait: String, type: String)] = []
    ) throws -> ToolRun {
        let plan = try JSONSerialization.data(
            withJSONObject: [
                "argv": [Platform.program] + arguments, "width": width, "steps": steps.map { [$0.wait, $0.type] },
            ])
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = ["-c", Self.terminal, String(decoding: plan, as: UTF8.self)]
        process.currentDirectoryURL = URL(filePath: directory)
        process.environment = environment.merging(["TERM": "xterm"]) { $1 }
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let bytes = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let answer = try #require(JSONSerialization.jsonObject(with: bytes) as? [String: Any])
        return ToolRun(
            code: Int32(try #require(answer["code"] as? Int)), output: try #require(answer["output"] as? String),
            errors: "")
    }

    /// Reads the plan, prints `{"code","output"}`. Gives up after two minutes.
    private static let terminal = """
        import fcntl, json, os, pty, select, struct, sys, termios, time
        plan = json.loads(sys.argv[1])
        pid, fd = pty.fork()
        if pid == 0:
            time.sleep(0.1)
            os.execv(plan["argv"][0], plan["argv"])
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, plan["width"], 0, 0))
        output, seen, steps, end = b"", 0, plan["steps"], time.time() + 120
        while time.time() < end:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    piece = os.read(fd, 65536)
                except OSError:
                    break
                if not piece:
                    break
                output += piece
            if steps:
                found = output.find(steps[0][0].encode(), seen)
                if found >= 0:
                    seen = found + len(steps[0][0].encode())
                    os.write(fd, steps.pop(0)[1].encode())
        else:
            os.kill(pid, 9)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"code": code, "output": output.decode("utf8", "replace")}))
        """

    /// Writes a file into the directory.
    func write(_ name: String, _ text: String) throws {
        let path = "\(directory)/\(name)"
        try FileManager.default.createDirectory(
            at: URL(filePath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
        try text.write(toFile: path, atomically: false, encoding: .utf8)
    }
}

/// Gives `body` the tool in an empty directory, for the platform at `url`.
func withTool(_ url: String, _ body: (CommandLineTool) async throws -> Void) async throws {
    let directory = "/tmp/kiln-tool-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await body(CommandLineTool(directory: directory, url: url))
}
