import Contract
import FoundationEssentials
import Glibc
import OCI
import Support
import Testing

@Suite(.serialized) struct UnpackTests {
    @Test func `what was put into a layer comes out of it`() async throws {
        try await withTemporaryDirectory { directory in
            let layer = try Layer(LayerTests.entries)
            try LayerUnpacker(ownership: .asArchived).unpack(
                layer.content, descriptor: layer.descriptor, diffID: layer.diffID, into: directory + "/l")
            let listing = try await command(
                "find", [".", "-printf", "%P %y %m %U:%G %T@ %l\n"], in: directory + "/l",
                environment: ["LC_ALL": "C.UTF-8"])
            #expect(
                Set(listing.output.split(separator: "\n")) == [
                    " d 755 0:0 1.0000000000 ", "app d 755 0:0 1.0000000000 ", "app/grün d 1777 0:0 1.0000000000 ",
                    "app/grün/日本.txt f 600 65532:65532 1.0000000000 ",
                    "app/link l 777 0:0 1.0000000000 /nowhere/at/all",
                    "app/main.js f 644 0:0 1.0000000000 ",
                ])
            #expect(
                try String(contentsOf: URL(filePath: directory + "/l/app/main.js"), encoding: .utf8).hasPrefix(
                    "export default"))
        }
    }

    @Test func `an owner given by the caller replaces the archived ones`() async throws {
        try await withTemporaryDirectory { directory in
            let layer = try Layer(LayerTests.entries)
            try LayerUnpacker(ownership: .all(uid: 4242, gid: 4343)).unpack(
                layer.content, descriptor: layer.descriptor, diffID: layer.diffID, into: directory + "/l")
            let owners = try await command("find", [".", "-printf", "%U:%G\n"], in: directory + "/l")
            #expect(Set(owners.output.split(separator: "\n")) == ["4242:4343"])
        }
    }

    /// Tars made by Python, which makes what this library refuses to.
    static let hostile: [(name: String, script: String)] = [
        ("a parent", "add('../evil', b'x')"),
        ("a parent in the middle", "add('a/../../evil', b'x')"),
        ("an absolute name", "add('/tmp/evil', b'x')"),
        ("a file through a link to a directory", "link('d', '/tmp'); add('d/evil', b'x')"),
        ("a file through a relative link", "link('d', '..'); add('d/evil', b'x')"),
        ("a directory through a link", "link('d', '/tmp'); directory('d/evil')"),
        ("a file through a link deeper down", "directory('a'); link('a/b', '/tmp'); add('a/b/c', b'x')"),
        ("a hard link out", "hard('h', '/etc/passwd')"),
        ("a hard link to a parent", "hard('h', '../../etc/passwd')"),
        ("a hard link through a link", "link('d', '/etc'); hard('h', 'd/passwd')"),
        ("a hard link to a link", "link('l', '/etc/passwd'); hard('h', 'l')"),
        ("a hard link to nothing", "hard('h', 'missing')"),
        ("a character device", "special('null', tarfile.CHRTYPE)"),
        ("a block device", "special('disk', tarfile.BLKTYPE)"),
        ("a pipe", "special('pipe', tarfile.FIFOTYPE)"),
        ("a file that is used as a directory", "add('f', b'x'); add('f/g', b'y')"),
        ("a file in place of a full directory", "add('d/f', b'x'); add('d', b'y')"),
        ("a replaced root", "add('.', b'x')"),
        ("a whiteout of the root's parent", "add('.wh...', b'')"),
        ("a whiteout of nothing", "add('.wh.', b'')"),
        ("an unknown whiteout", "add('.wh..wh.plnk', b'')"),
        ("a whiteout through a link", "link('d', '/tmp'); add('d/.wh.evil', b'')"),
        ("a part that is too long", "add('x' * 300, b'')"),
        ("a negative owner", "add('f', b'', uid=-2)"),
        ("too many entries", "[add(str(i), b'') for i in range(101)]"),
        ("a bomb", "add('zeros', b'\\0' * (2 << 20))"),
    ]

    @Test(arguments: hostile.indices)
    func `a layer that could do harm is refused and leaves nothing`(index: Int) async throws {
        let (_, script) = Self.hostile[index]
        try await withTemporaryDirectory { directory in
            let blob = try await Self.tar(script, directory)
            let unpacker = LayerUnpacker(ownership: .asArchived, limits: .init(bytes: 1 << 20, entries: 100))
            let error = #expect(throws: OCIError.self) {
                try unpacker.unpack(
                    blob.content, descriptor: blob.descriptor, diffID: blob.diffID, into: directory + "/l")
            }
            #expect(error?.code == .hostileLayer, "\(String(describing: error))")
            #expect(!FileManager.default.fileExists(atPath: directory + "/l"))
            for evil in ["/tmp/evil", directory + "/evil"] { #expect(!FileManager.default.fileExists(atPath: evil)) }
        }
    }

    @Test func `a bomb is stopped long before it is unpacked`() async throws {
        try await withTemporaryDirectory { directory in
            let blob = try await Self.tar("add('zeros', b'\\0' * (1 << 28))", directory)
            let start = ContinuousClock.now
            #expect(throws: OCIError.self) {
                try LayerUnpacker(ownership: .process, limits: .init(bytes: 1 << 20)).unpack(
                    blob.content, descriptor: blob.descriptor, diffID: blob.diffID, into: directory + "/l")
            }
            #expect(.now - start < .seconds(5))
        }
    }

    @Test func `entries may replace each other, hard links join files and missing parents are made`() async throws {
        try await withTemporaryDirectory { directory in
            let blob = try await Self.tar(
                """
                add('./a/b/f', b'one', mode=0o4755); hard('h', 'a/b/f'); add('x', b'first'); link('x', 'nowhere'); add('x', b'last')
                directory('e'); link('e', 'x'); directory('./', mode=0o711)
                """, directory)
            try LayerUnpacker(ownership: .process).unpack(
                blob.content, descriptor: blob.descriptor, diffID: blob.diffID, into: directory + "/l")
            let listing = try await command("find", [".", "-printf", "%P %y %m %n %l\n"], in: directory + "/l")
            let lines = Set(listing.output.split(separator: "\n").map(String.init))
            #expect(lines.isSuperset(of: ["h f 4755 2 ", "a/b/f f 4755 2 ", "x f 644 1 ", "e l 777 1 x"]))
            #expect(lines.contains { $0.hasPrefix("a d 755") })
            #expect(lines.contains { $0.hasPrefix(" d 711") })
            #expect(try String(contentsOf: URL(filePath: directory + "/l/x"), encoding: .utf8) == "last")
        }
    }

    @Test func `whiteouts become what overlayfs understands`() async throws {
        try await withTemporaryDirectory { directory in
            let blob = try await Self.tar(
                "add('d/.wh..wh..opq', b''); add('d/kept', b'x'); add('.wh.gone', b''); add('.wh.again', b''); directory('again')",
                directory)
            try LayerUnpacker(ownership: .asArchived).unpack(
                blob.content, descriptor: blob.descriptor, diffID: blob.diffID, into: directory + "/upper")
            let shown = try await command(
                "unshare",
                [
                    "-m", "sh", "-euc",
                    """
                    mkdir -p lower/d lower/again merged; touch lower/d/hidden lower/gone lower/stays lower/again/old
                    mount -t overlay overlay -o lowerdir=upper:lower merged
                    find merged -printf '%P\n' | sort
                    """,
                ], in: directory)
            #expect(shown.output == "\nagain\nd\nd/kept\nstays\n", "\(shown.errors)")
            let refused = LayerUnpacker(ownership: .process, whiteouts: .refused)
            let error = #expect(throws: OCIError.self) {
                try refused.unpack(
                    blob.content, descriptor: blob.descriptor, diffID: blob.diffID, into: directory + "/l")
            }
            #expect(error?.code == .hostileLayer)
        }
    }

    @Test func `content that is not what its digests say is refused and leaves nothing`() async throws {
        try await withTemporaryDirectory { directory in
            let layer = try Layer(LayerTests.entries)
            let other = try Layer([.directory("other")])
            guard case .bytes(var damaged) = layer.content else { return }
            damaged[damaged.count / 2] ^= 1
            let cut = Array(damaged.dropLast(20))
            var longer = layer.descriptor
            longer.size += 1
            let unpacker = LayerUnpacker(ownership: .process)
            for (content, descriptor, diffID) in [
                (layer.content, other.descriptor, layer.diffID), (layer.content, layer.descriptor, other.diffID),
                (layer.content, longer, layer.diffID), (.bytes(damaged), layer.descriptor, layer.diffID),
                (.bytes(cut), layer.descriptor, layer.diffID), (.bytes([]), layer.descriptor, layer.diffID),
            ] {
                let error = #expect(throws: OCIError.self) {
                    try unpacker.unpack(content, descriptor: descriptor, diffID: diffID, into: directory + "/l")
                }
                #expect(error?.code == .mismatch || error?.code == .malformed)
                #expect(!FileManager.default.fileExists(atPath: directory + "/l"))
            }
            let zstd = Descriptor(
                mediaType: MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+zstd"),
                digest: layer.descriptor.digest, size: 1)
            let error = #expect(throws: OCIError.self) {
                try unpacker.unpack(layer.content, descriptor: zstd, diffID: layer.diffID, into: directory + "/l")
            }
            #expect(error?.code == .unsupported)
        }
    }

    @Test func `plain tar and gzip in several members are read`() async throws {
        try await withTemporaryDirectory { directory in
            let plain = try await Self.tar("add('f', b'x' * 100000)", directory, compress: "data")
            let members = try await Self.tar(
                "add('f', b'x' * 100000)", directory,
                compress: "gzip.compress(data[:5000], mtime=0) + gzip.compress(data[5000:], mtime=0)")
            #expect(plain.diffID == members.diffID)
            var descriptor = plain.descriptor
            descriptor.mediaType = .layerTar
            let unpacker = LayerUnpacker(ownership: .process)
            try unpacker.unpack(plain.content, descriptor: descriptor, diffID: plain.diffID, into: directory + "/a")
            try unpacker.unpack(
                members.content, descriptor: members.descriptor, diffID: members.diffID, into: directory + "/b")
            for name in ["/a/f", "/b/f"] {
                #expect(try Data(contentsOf: URL(filePath: directory + name)).count == 100_000)
            }
        }
    }

    /// Has Python make a tar by the calls in `script`, and describes it.
    static func tar(
        _ script: String, _ directory: String, compress: String = "gzip.compress(data, 1, mtime=0)"
    ) async throws -> Layer {
        let path = "\(directory)/\(UInt64.random(in: 0 ... .max)).tar.gz"
        let made = try await command("python3", ["-c", prelude + script + "\n" + epilogue(compress), path])
        try #require(made.succeeded, "\(made.errors)")
        let facts = made.output.split(separator: " ").map(String.init)
        return Layer(
            descriptor: Descriptor(mediaType: .layerGzip, digest: try Digest(facts[0]), size: Int(facts[1]) ?? 0),
            diffID: try Digest(facts[2]), content: .file(path))
    }

    private static let prelude = """
        import gzip, hashlib, io, sys, tarfile
        buffer = io.BytesIO()
        archive = tarfile.open(fileobj=buffer, mode='w', format=tarfile.GNU_FORMAT)
        def put(name, type, mode, uid=0, data=None, target=''):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.linkname, info.size = type, mode, uid, target, len(data or b'')
            archive.addfile(info, io.BytesIO(data) if data is not None else None)
        def add(name, data, mode=0o644, uid=0): put(name, tarfile.REGTYPE, mode, uid, data)
        def directory(name, mode=0o755): put(name, tarfile.DIRTYPE, mode)
        def link(name, target): put(name, tarfile.SYMTYPE, 0o777, target=target)
        def hard(name, target): put(name, tarfile.LNKTYPE, 0o644, target=target)
        def special(name, type): put(name, type, 0o666)

        """

    private static func epilogue(_ compress: String) -> String {
        """
        archive.close()
        data = buffer.getvalue()
        blob = \(compress)
        open(sys.argv[1], 'wb').write(blob)
        print('sha256:' + hashlib.sha256(blob).hexdigest(), len(blob), 'sha256:' + hashlib.sha256(data).hexdigest(), end='')
        """
    }
}
