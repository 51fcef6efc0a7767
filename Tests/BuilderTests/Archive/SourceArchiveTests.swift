import Builder
import Contract
import Foundation
import OCI
import Support
import Testing

/// What is taken of an archive, and what is refused, with archives that real tars and hostile hands made.
@Suite struct SourceArchiveTests {
    private func source(
        _ body: [UInt8], type: String? = nil, entry: String? = nil, _ change: (inout ArchiveLimits) -> Void = { _ in }
    ) async throws -> FunctionSource {
        var limits = ArchiveLimits()
        change(&limits)
        return try await SourceArchive(limits).source(.bytes(body), mediaType: type, entry: entry)
    }

    private func tree(
        _ body: [UInt8], entry: String? = nil, _ change: (inout ArchiveLimits) -> Void = { _ in }
    ) async throws -> FileTree {
        guard case .files(let tree) = try await source(body, entry: entry, change) else {
            throw FixtureFailure("It was taken for a module.")
        }
        return tree
    }

    /// The problem with an archive.
    private func problem(
        _ body: [UInt8], type: String? = nil, entry: String? = nil, _ change: (inout ArchiveLimits) -> Void = { _ in }
    ) async throws -> Problem {
        do {
            _ = try await source(body, type: type, entry: entry, change)
        } catch let problem as Problem {
            return problem
        }
        throw FixtureFailure("It was accepted.")
    }

    @Test(arguments: ["ustar", "pax", "gnu", "v7"])
    func `every format of tar is read, gzipped or not, with the names it can say`(format: String) async throws {
        let long = (0..<8).map { "directory-\($0)-with-a-name" }.joined(separator: "/")
        var files = ["main.ts": "1", "lib/a.ts": "22", "empty.txt": ""]
        if format != "v7" { files["日本/ü.ts"] = "3" }
        if format == "pax" || format == "gnu" { files["\(long)/\(String(repeating: "x", count: 120)).ts"] = "4" }
        for compressed in [false, true] {
            let body = try await RealTar.archive(files, ["--format=\(format)"] + (compressed ? ["-z"] : []))
            let type = format == "v7" ? "application/x-tar" : "application/x-www-form-urlencoded"
            guard case .files(let tree) = try await source(body, type: type) else {
                throw FixtureFailure("It was taken for a module.")
            }
            #expect(tree.entry == "main.ts")
            #expect(try tree.files.mapValues { String(decoding: try $0.bytes(), as: UTF8.self) } == files)
        }
    }

    @Test func `one directory around everything is left out, two are not`() async throws {
        let around = try await RealTar.archive(["app/index.js": "1", "app/lib/a.ts": "2"])
        #expect(try await tree(around).files.keys.sorted() == ["index.js", "lib/a.ts"])
        #expect(try await tree(around, entry: "lib/a.ts").entry == "lib/a.ts")
        // What is named as it is in the archive stays there.
        let kept = try await tree(around, entry: "app/lib/a.ts")
        #expect(kept.entry == "app/lib/a.ts" && kept.files["app/index.js"] != nil)
        let two = try await RealTar.archive(["app/main.ts": "1", "lib/a.ts": "2"])
        #expect(try await problem(two).kind == "no-entry")
        #expect(try await tree(two, entry: "./app/main.ts").files.keys.sorted() == ["app/main.ts", "lib/a.ts"])
    }

    @Test func `the entry is the first usual name, or the one that is named, else the modules are listed`() async throws
    {
        let files = ["server.ts": "1", "mod.mjs": "2", "lib/x.ts": "3", "page.html": "4"]
        let body = try await RealTar.archive(files)
        #expect(try await tree(body).entry == "mod.mjs")
        #expect(try await tree(body, entry: "server.ts").entry == "server.ts")
        let missing = try await problem(body, entry: "nope.ts")
        #expect(missing.status == 422 && missing.kind == "no-entry")
        #expect(missing.detail.contains("nope.ts") && missing.detail.contains("lib/x.ts, mod.mjs, server.ts"))
        #expect(try await problem(body, entry: "page.html").detail.contains("no TypeScript or JavaScript"))
        let none = try await problem(try await RealTar.archive(["a/x.ts": "1", "b.txt": "2"]))
        #expect(none.status == 422 && none.detail.contains("entry=") && none.detail.contains("a/x.ts"))
    }

    @Test func `a single module is one, and has no entry`() async throws {
        let module = Array("export default () => new Response('x')".utf8)
        #expect(try await source(module, type: "text/plain") == .module(module))
        #expect(try await problem(module, entry: "main.ts").kind == "invalid-option")
    }

    static let hostileNames: [(String, String)] = [
        ("/etc/passwd", "absolute"), ("../main.ts", "'..'"), ("a/../../b.ts", "'..'"), ("a\\b.ts", "backslash"),
        ("a\u{1b}[31m.ts", "control"), ("a/.wh.b", ".wh."), ("/", "absolute"),
    ]

    @Test func `names that lead anywhere are refused, and named`() async throws {
        for (name, reason) in Self.hostileNames {
            let problem = try await problem(RawTar.archive([("main.ts", "1"), (name, "2")]))
            #expect(problem.status == 400 && problem.kind == "invalid-archive", "\(name)")
            #expect(problem.detail.contains(reason), "\(problem.detail)")
            #expect(!problem.detail.contains("\u{1b}"))
        }
    }

    @Test func `links, devices and pipes are refused, wherever they lead`() async throws {
        for (flag, word) in [("1", "link"), ("2", "link"), ("3", "neither"), ("4", "neither"), ("6", "neither")] {
            let tar = RawTar.header("lib/odd.ts", size: 0, type: flag, link: "main.ts") + RawTar.end
            let problem = try await problem(RawTar.entry("main.ts", "1") + tar)
            #expect(problem.status == 400 && problem.detail.contains("lib/odd.ts"), "\(flag): \(problem)")
            #expect(problem.detail.contains(word), "\(flag): \(problem)")
        }
    }

    @Test func `a name that is there twice is refused, one that differs in case is another`() async throws {
        let cases = [
            ["a.ts", "a.ts"], ["a.ts", "./a.ts"], ["x/ü.ts", "x/u\u{308}.ts"], ["a", "a/b.ts"], ["a/b.ts", "a"],
            ["a/b/c.ts", "a/b"],
        ]
        for names in cases {
            let problem = try await problem(RawTar.archive([("main.ts", "1")] + names.map { ($0, "2") }))
            #expect(problem.detail.contains("twice"), "\(names): \(problem)")
        }
        #expect(try await tree(RawTar.archive([("main.ts", "1"), ("Main.ts", "2")])).files.count == 2)
    }

    @Test func `every limit is told with the entry and the flag`() async throws {
        let body = RawTar.archive([("main.ts", "1"), ("lib/deep/a.ts", String(repeating: "x", count: 3000))])
        let cases: [(String, (inout ArchiveLimits) -> Void)] = [
            ("--max-archive-files", { $0.entries = 1 }), ("--max-archive-file", { $0.fileBytes = 2999 }),
            ("--max-archive-bytes", { $0.bytes = 3000 }), ("--max-archive-depth", { $0.depth = 1 }),
            ("--max-archive-path", { $0.pathBytes = 12 }),
        ]
        for (flag, change) in cases {
            let problem = try await problem(body, change)
            #expect(problem.status == 413 && problem.kind == "archive-too-large", "\(problem)")
            #expect(problem.detail.hasSuffix("with \(flag)."), "\(problem.detail)")
            #expect(problem.detail.contains("lib/deep/a.ts"), "\(problem.detail)")
        }
        let exact = try await tree(body) {
            $0.entries = 2
            $0.fileBytes = 3000
            $0.bytes = 3001
            $0.depth = 2
            $0.pathBytes = 13
        }
        #expect(exact.files.count == 2)
    }

    @Test func `a bomb is found out before it is unpacked`() async throws {
        let zeros = try await RealTar.archive(["main.ts": "1"], ["-z"], zeros: 12 << 20)
        #expect(zeros.count < 20_000)
        let ratio = try await problem(zeros)
        #expect(
            ratio.status == 413 && ratio.detail.contains("200 times") && ratio.detail.contains("--max-archive-ratio"))
        #expect(try await tree(zeros) { $0.ratio = 5000 }.files.count == 2)
        // A file that claims to be enormous, and is not.
        let claims = RawTar.header("huge.bin", size: 7 << 30, type: "0") + [UInt8](repeating: 0, count: 1024)
        #expect(try await problem(claims).detail.contains("--max-archive-file"))
        // One without end after the end of the tar.
        let tail = RawTar.archive([("main.ts", "1")]) + [UInt8](repeating: 0, count: 200_000)
        #expect(
            try await problem(tail) {
                $0.bytes = 1000
                $0.entries = 1
            }.status == 413)
    }

    @Test func `sparse files, damage and other kinds of archives are refused`() async throws {
        let whole = try await RealTar.archive(["main.ts": String(repeating: "text ", count: 1000)])
        for length in [700, 2000] {
            let cut = Array(whole.prefix(length))
            #expect(try await problem(cut).kind == "invalid-archive", "\(length)")
        }
        let compressed = try await RealTar.archive(["main.ts": "1"], ["-z"])
        #expect(try await problem(Array(compressed.dropLast(9))).kind == "invalid-archive")
        #expect(try await problem([0x1f, 0x8b, 0, 0]).kind == "invalid-archive")
        #expect(try await problem(Array("text".utf8), type: "application/gzip").detail.contains("not gzipped"))
        #expect(try await problem(Array("text".utf8), type: "application/x-tar").detail.contains("too short"))
        for magic in [
            [0x50, 0x4b, 3, 4], [0x28, 0xb5, 0x2f, 0xfd], [0xfd, 0x37, 0x7a, 0x58, 0x5a], [0x42, 0x5a, 0x68],
        ] {
            #expect(try await problem(magic.map(UInt8.init)).detail.contains("tar.gz"))
        }
        let sparse = try await RealTar.archive(
            ["main.ts": "1"], ["--sparse", "--hole-detection=raw"], zeros: 1 << 20, isHole: true)
        #expect(try await problem(sparse).detail.contains("sparse"))
        #expect(try await problem(RawTar.end, type: "application/x-tar").detail.contains("no files"))
    }

    /// The archive that tar makes of `files` and, if asked for, a file of zeros.
}

/// Tars that the real tar packs.
enum RealTar {
    /// An archive of `files`, packed with `options`; with `zeros`, of a file of so many zero bytes too, which on the disk may be a hole.
    static func archive(
        _ files: [String: String], _ options: [String] = [], zeros: Int = 0, isHole: Bool = false
    ) async throws -> [UInt8] {
        try await withRoot { root in
            for (path, text) in files {
                let file = URL(filePath: "\(root)/\(path)")
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data(text.utf8).write(to: file)
            }
            if zeros > 0 {
                let file = URL(filePath: "\(root)/zeros.bin")
                try (isHole ? Data(repeating: 65, count: 4096) : Data(count: zeros)).write(to: file)
                if isHole {
                    let handle = try FileHandle(forWritingTo: file)
                    try handle.truncate(atOffset: UInt64(zeros))
                    try handle.close()
                }
            }
            let packed = root + ".tar"
            defer { try? FileManager.default.removeItem(atPath: packed) }
            _ = try await command("tar", ["-cf", packed] + options + ["-C", root, "."])
            return try Array(Data(contentsOf: URL(filePath: packed)))
        }
    }
}

/// Tars byte by byte, with what no tar program writes (POSIX pax, "ustar Interchange Format").
enum RawTar {
    static let end = [UInt8](repeating: 0, count: 1024)

    static func archive(_ files: [(String, String)]) -> [UInt8] { files.flatMap { entry($0, $1) } + end }

    static func entry(_ name: String, _ text: String) -> [UInt8] {
        let padding = [UInt8](repeating: 0, count: (512 - text.utf8.count % 512) % 512)
        return header(name, size: text.utf8.count, type: "0") + Array(text.utf8) + padding
    }

    static func header(_ name: String, size: Int, type: String, link: String = "") -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        func octal(_ value: Int, _ digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put(name, at: 0)
        put(octal(0o644, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(size, 11), at: 124)
        put(octal(1, 11), at: 136)
        put("        ", at: 148)
        put(type, at: 156)
        put(link, at: 157)
        put("ustar\u{0}00", at: 257)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + "\u{0} ", at: 148)
        return header
    }
}
