import ArgumentParser
import Client
import Contract
import FoundationEssentials
import Glibc

/// `kiln init`.
struct InitCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Write a function to start from.")

    @Argument(help: "The file to write; without an extension it gets .ts.", completion: .file(extensions: ["ts"]))
    var file = "hello.ts"

    @Flag(help: "Replace the file if there is one.")
    var force = false

    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let name = file.split(separator: "/").last ?? ""
        let path = name.contains(".") ? file : file + ".ts"
        let function = try FunctionNaming.name(
            ofPath: path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0o644)
        guard descriptor >= 0 else {
            let reason = errno
            throw ClientError(
                reason == EEXIST ? .usage : .failed,
                reason == EEXIST
                    ? "\(path) is there already. Name another file, or replace it with --force."
                    : "\(path) cannot be written: \(String(cString: strerror(reason))).")
        }
        defer { close(descriptor) }
        let text = Array(Self.starter.utf8)
        guard text.withUnsafeBytes({ write(descriptor, $0.baseAddress, $0.count) }) == text.count else {
            throw ClientError(.failed, "\(path) cannot be written: \(String(cString: strerror(errno))).")
        }
        if printer.isJSON {
            printer.document(.object(["file": .string(path), "name": .string(function.value)]))
            return
        }
        printer.lines([
            "Wrote \(path). Next:", "  kiln run \(path)        # try it here",
            "  kiln deploy \(path)     # put it online as '\(function)'",
        ])
    }

    static let starter = """
        // A function takes a Request and returns a Response. The path is what follows /fn/NAME.
        export default function handler(request: Request): Response {
          const { pathname, searchParams } = new URL(request.url);
          if (pathname !== "/") return new Response("Not found\\n", { status: 404 });
          const name = searchParams.get("name") ?? "world";
          return new Response(`Hello, ${name}!\\n`);
        }

        """
}
