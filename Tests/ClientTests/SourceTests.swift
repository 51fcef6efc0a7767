import Client
import Contract
import FoundationEssentials
import Support
import Testing

/// What is sent for a file or a directory, and under which name.
@Suite struct SourceTests {
    @Test(arguments: [
        ("/x/hello.ts", "hello"), ("/x/My Function.test.ts", "my-function"), ("/x/snake_case.mjs", "snake-case"),
        ("/srv/shop/main.ts", "shop"), ("/srv/shop/index.tsx", "shop"), ("/srv/Shop", "shop"), ("/a/--x--.ts", "x"),
        ("/a/grüße.ts", "gr-e"),
    ])
    func `a function is named after its file or directory`(path: String, name: String) throws {
        #expect(try FunctionNaming.name(ofPath: path).value == name)
    }

    @Test(arguments: ["/x/123.ts", "/x/日本.ts", "/x/kiln.ts", "/", "/x/\(String(repeating: "a", count: 41)).ts"])
    func `a path that gives no name asks for one`(path: String) {
        #expect { try FunctionNaming.name(ofPath: path) } throws: { error in
            (error as? ClientError)?.status == .usage && "\(error)".contains("--name")
        }
    }

    private func write(_ files: [String: String], to directory: String) throws {
        for (path, text) in files {
            let file = directory + "/" + path
            let parent = String(file[..<(file.lastIndex(of: "/") ?? file.startIndex)])
            try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: file))
        }
    }

    /// The names in a gzipped tar.
    private func names(_ archive: [UInt8]) async throws -> [String] {
        let listing = try await command("tar", ["-tzf", "-"], input: archive)
        return listing.output.split(separator: "\n").map(String.init)
    }

    @Test func `a directory is sent without hidden files, node_modules and what .kilnignore names`() async throws {
        try await withTemporaryDirectory { directory in
            try write(
                [
                    "main.ts": "1", "lib/a.ts": "2", "lib/deep/b.json": "{}", ".env": "SECRET", ".git/HEAD": "x",
                    "node_modules/x/index.js": "x", "lib/node_modules/y.js": "y", "notes.md": "n", "data/big.bin": "b",
                    "lib/a_test.ts": "t", "日本.ts": "u", ".kilnignore": "# notes\n*.md\n/data\n\n*_test.ts\r\n",
                ], to: directory)
            let upload = try SourceUpload(.directory(directory), entry: nil)
            #expect(upload.entry == "main.ts")
            #expect(upload.mediaType == "application/gzip")
            let names = try await names(upload.body)
            #expect(names.filter { !$0.hasSuffix("/") && $0.hasSuffix("s") || $0.hasSuffix("json") }.count == 4)
            #expect(Set(names).isSuperset(of: ["main.ts", "lib/", "lib/a.ts", "lib/deep/", "lib/deep/b.json"]))
            #expect(!names.contains { $0.contains("node_modules") || $0.contains("big") || $0.hasPrefix(".") })
        }
    }

    @Test func `the same files give the same archive, whatever their times and modes`() async throws {
        try await withTemporaryDirectory { first in
            try await withTemporaryDirectory { second in
                let files = ["main.ts": "export default () => new Response('x')", "b/c.ts": "1", "a.ts": "2"]
                try write(files, to: first)
                try write(files, to: second)
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: second + "/a.ts")
                #expect(
                    try SourceUpload(.directory(first), entry: nil).body
                        == SourceUpload(.directory(second), entry: nil).body)
            }
        }
    }

    @Test func `links are left out and named, and a directory without an entry asks for one`() async throws {
        try await withTemporaryDirectory { directory in
            try write(["app.ts": "1"], to: directory)
            try FileManager.default.createSymbolicLink(
                atPath: directory + "/passwd", withDestinationPath: "/etc/passwd")
            #expect { try SourceUpload(.directory(directory), entry: nil) } throws: { "\($0)".contains("--entry") }
            #expect { try SourceUpload(.directory(directory), entry: "no.ts") } throws: { error in
                (error as? ClientError)?.status == .notFound
            }
            let upload = try SourceUpload(.directory(directory), entry: "./app.ts")
            #expect(upload.entry == "app.ts")
            #expect(upload.skipped == ["passwd"])
            #expect(try await names(upload.body) == ["app.ts"])
        }
    }

    @Test func `a file is sent as it is, an archive with its entry, and an empty one not at all`() async throws {
        try await withTemporaryDirectory { directory in
            try write(["a.ts": "code", "b.tar.gz": "bytes", "empty.ts": ""], to: directory)
            #expect(try SourceUpload(.file(directory + "/a.ts"), entry: nil).body == Array("code".utf8))
            #expect(throws: ClientError.self) { try SourceUpload(.file(directory + "/a.ts"), entry: "x.ts") }
            #expect(try SourceUpload(.file(directory + "/b.tar.gz"), entry: nil).entry == nil)
            #expect(throws: ClientError.self) { try SourceUpload(.file(directory + "/empty.ts"), entry: nil) }
            let archive = try SourceUpload(.file(directory + "/b.tar.gz"), entry: "main.ts")
            #expect(archive.mediaType == "application/gzip" && archive.entry == "main.ts")
            #expect { try SourceUpload.Origin(directory + "/none.ts") } throws: { error in
                (error as? ClientError)?.status == .notFound
            }
        }
    }

    @Test func `a change of the source is noticed once, one beside it not at all`() async throws {
        try await withTemporaryDirectory { directory in
            try write(["a.ts": "1", "b.ts": "1"], to: directory)
            let changes = try SourceWatch(.file(directory + "/a.ts")).changes()
            let noticed = Task { () -> Int in
                for await _ in changes { return 1 }
                return 0
            }
            try write(["b.ts": "2"], to: directory)
            try await Task.sleep(for: .milliseconds(400))
            for text in ["2", "3", "4"] { try write(["a.ts": text], to: directory) }
            #expect(await noticed.value == 1)
        }
    }
}
