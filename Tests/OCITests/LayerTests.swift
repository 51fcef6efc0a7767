import Contract
import FoundationEssentials
import Glibc
import OCI
import Support
import Testing

@Suite struct LayerTests {
    static let entries: [LayerEntry] = [
        .file("app/main.js", Array("export default () => 'hi';\n".utf8)),
        .directory("app"),
        .file("app/grün/日本.txt", Array("é".utf8), mode: 0o600, uid: 65532, gid: 65532),
        .directory("app/grün", mode: 0o1777),
        .symlink("app/link", to: "/nowhere/at/all"),
    ]

    /// The SHA-256 of the tar below, made once by this writer and then read back with GNU tar and Python's tarfile.
    static let goldenDiffID = "sha256:c441c43f04a702c1d53bf7ad0cde18b4d9cacd53d076979c3c787ff6665cb346"

    @Test func `a tiny layer is the same bytes as ever`() throws {
        let layer = try Layer(Self.entries)
        #expect(layer.diffID.description == Self.goldenDiffID)
        guard case .bytes(let bytes) = layer.content else { Issue.record("not in memory"); return }
        // ID1 ID2, deflate, no flags, time 0, no extra flags, system 255 (RFC 1952 §2.3).
        #expect(Array(bytes.prefix(10)) == [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
        #expect(layer.descriptor.size == bytes.count)
        #expect(layer.descriptor.mediaType == .layerGzip)
    }

    @Test func `nothing around the process changes a layer`() async {
        await #expect(processExitsWith: .success) {
            umask(0o777)
            setenv("TZ", "Asia/Kathmandu", 1)
            setenv("LC_ALL", "C", 1)
            setlocale(LC_ALL, "C")
            let layer = try Layer(LayerTests.entries.reversed())
            exit(layer.diffID.description == LayerTests.goldenDiffID ? 0 : 1)
        }
    }

    @Test func `a layer in a file is the same as one in memory, and so is one of files`() async throws {
        try await withTemporaryDirectory { directory in
            let content = [UInt8](unsafeUninitializedCapacity: 3_000_000) { buffer, count in
                for index in 0..<3_000_000 { buffer[index] = UInt8(truncatingIfNeeded: index * index >> 7) }
                count = 3_000_000
            }
            try Data(content).write(to: URL(filePath: directory + "/source"))
            chmod(directory + "/source", 0o4777)
            let cache = try BlobCache(directory: directory + "/cache")
            let inMemory = try Layer([.directory("d"), .file("d/f", content, mode: 0o755)])
            let inFile = try Layer(
                [.file("d/f", copying: directory + "/source", mode: 0o755), .directory("d")], in: cache,
                compression: .balanced)
            #expect(inFile.diffID == inMemory.diffID)
            #expect(inFile.descriptor == inMemory.descriptor)
            #expect(inFile.content == .file(cache.path(of: inFile.descriptor.digest)))
            #expect(try cache.read(inFile.descriptor.digest, limit: 1 << 30).count == inFile.descriptor.size)
        }
    }

    @Test func `tar and Python read the same names, modes and owners`() async throws {
        guard case .bytes(let bytes) = try Layer(Self.entries).content else { return }
        let gnu = try await command("tar", ["-tvzf", "-", "--numeric-owner", "--utc", "--full-time"], input: bytes)
        #expect(gnu.succeeded)
        #expect(gnu.errors.isEmpty)
        let lines = gnu.output.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true) }
        #expect(lines.map { $0[0] } == ["drwxr-xr-x", "drwxrwxrwt", "-rw-------", "lrwxrwxrwx", "-rw-r--r--"])
        #expect(lines.map { $0[1] } == ["0/0", "0/0", "65532/65532", "0/0", "0/0"])
        #expect(lines.allSatisfy { $0[3] == "1970-01-01" && $0[4] == "00:00:01" })
        let python = try await command(
            "python3",
            [
                "-c",
                "import sys,tarfile\nfor m in tarfile.open(fileobj=sys.stdin.buffer, mode='r|gz'): print(m.name, m.linkname, repr(m.uname), m.pax_headers.keys() - {'path'})",
            ], input: bytes, environment: ["PYTHONIOENCODING": "utf-8"])
        #expect(
            python.output.split(separator: "\n") == [
                "app  '' set()", "app/grün  '' set()", "app/grün/日本.txt  '' set()", "app/link /nowhere/at/all '' set()",
                "app/main.js  '' set()",
            ])
    }

    @Test func `names of any allowed length and size stay what they are`() async throws {
        let long = String(repeating: "x", count: 255)
        var entries: [LayerEntry] = [.directory("a")]
        for depth in 1...8 {
            entries.append(.directory((["a"] + Array(repeating: long, count: depth)).joined(separator: "/")))
        }
        guard let deepest = entries.last?.path, case .bytes(let bytes) = try Layer(entries).content else { return }
        let listed = try await command("tar", ["-tzf", "-"], input: bytes)
        #expect(listed.output.split(separator: "\n").last == deepest[...] + "/")
    }

    @Test(arguments: [
        "", "/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", ".", "./a", ".wh.x", "a/.wh..wh..opq", "a\u{0}b",
        String(repeating: "x", count: 256),
    ])
    func `a name that could mislead an unpacker is refused`(path: String) {
        let error = #expect(throws: OCIError.self) { try Layer([.directory("a"), .file(path, [])]) }
        #expect(error?.code == .invalidEntry)
    }

    @Test(
        arguments: [
            [.file("a/b", [])], [.file("a", []), .file("a/b", [])], [.file("a", []), .directory("a")],
            [.symlink("a", to: "b"), .file("a/b", [])], [.symlink("a", to: "")], [.file("a", [], mode: 0o10000)],
            [.file("a", [], uid: -1)], [.file("a", [], gid: 1 << 40)],
        ] as [[LayerEntry]])
    func `entries that do not fit together are refused`(entries: [LayerEntry]) {
        let error = #expect(throws: OCIError.self) { try Layer(entries) }
        #expect(error?.code == .invalidEntry)
    }

    @Test func `a source that is missing or changes is an error, not another layer`() throws {
        let error = #expect(throws: OCIError.self) { try Layer([.file("f", copying: "/nonexistent/file")]) }
        #expect(error?.code == .notFound)
        // Its size is 0 and its content is not.
        #expect(throws: OCIError.self) { try Layer([.file("f", copying: "/proc/self/status")]) }
    }
}
