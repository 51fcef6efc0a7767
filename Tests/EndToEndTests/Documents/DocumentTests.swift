import Foundation
import Support
import Testing

/// Every example of every document, run as a reader would run it.
@Suite(.serialized) struct DocumentTests {
    /// The documents with examples, relative to the checkout.
    static let paths: [String] = {
        let guides = (try? FileManager.default.subpathsOfDirectory(atPath: Platform.root + "/docs")) ?? []
        return ["README.md"] + guides.filter { $0.hasSuffix(".md") }.sorted().map { "docs/" + $0 }
    }()

    @Test func `what the documents promise is what happens`() async throws {
        try await withPlatform { platform in
            for path in Self.paths {
                let text = try String(contentsOfFile: "\(Platform.root)/\(path)", encoding: .utf8)
                let document = Document(text)
                guard !document.blocks.isEmpty else { continue }
                try await withTemporaryDirectory { try await run(document, path, in: $0, on: platform) }
            }
        }
    }

    private func run(
        _ document: Document, _ path: String, in directory: String, on platform: Platform
    ) async throws {
        // A reader of the README stands in the checkout.
        for name in ["examples", "docs"] {
            try FileManager.default.createSymbolicLink(
                atPath: "\(directory)/\(name)", withDestinationPath: "\(Platform.root)/\(name)")
        }
        // curl shows a progress bar when its output is no terminal: the reader's is one.
        try "silent\nshow-error\n".write(toFile: directory + "/.curlrc", atomically: true, encoding: .utf8)
        for block in document.blocks {
            switch block {
            case .file(let name, let text):
                let file = URL(filePath: "\(directory)/\(name)")
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try text.write(to: file, atomically: true, encoding: .utf8)
            case .command(let line, let command, let output):
                let result = try await shell(localized(command, platform), in: directory, platform)
                let printed = result.output + result.errors
                let isKept =
                    PromisedOutput(lines: output.map { localized($0, platform) }).matches(printed)
                    && (result.succeeded || !output.isEmpty)
                #expect(isKept, "\(path):\(line): $ \(command)\nprinted\n\(printed.prefix(4000))")
            }
        }
    }

    private func shell(_ text: String, in directory: String, _ platform: Platform) async throws -> CommandResult {
        let programs = URL(filePath: Platform.program).deletingLastPathComponent().path
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return try await command(
            "timeout", ["60", "bash", "-c", text], in: directory,
            environment: [
                "PATH": programs + ":" + path, "KILN_URL": platform.url, "KILN_STATE_DIR": platform.state,
                "NO_COLOR": "1", "CURL_HOME": directory,
            ])
    }

    /// The documents speak of the default addresses.
    private func localized(_ text: String, _ platform: Platform) -> String {
        text.replacingOccurrences(of: "http://127.0.0.1:8080", with: platform.url)
            .replacingOccurrences(of: "127.0.0.1:5080", with: platform.registry)
    }
}
