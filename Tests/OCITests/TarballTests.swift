import OCI
import Support
import Testing

/// Archives as package registries give them.
struct TarballTests {
    private func archive(_ script: String) async throws -> [UInt8] {
        let program = """
            import io, sys, tarfile
            output = io.BytesIO()
            with tarfile.open(fileobj=output, mode="w:gz") as archive:
                def add(name, content=b"x", kind=tarfile.REGTYPE, target=""):
                    entry = tarfile.TarInfo(name)
                    entry.type, entry.linkname = kind, target
                    entry.size = len(content) if kind == tarfile.REGTYPE else 0
                    archive.addfile(entry, io.BytesIO(content))
                \(script)
            sys.stdout.write(output.getvalue().hex())
            """
        let text = try await command("python3", ["-c", program]).output
        return stride(from: 0, to: text.utf8.count, by: 2).compactMap { index in
            let start = text.index(text.startIndex, offsetBy: index)
            return UInt8(text[start..<text.index(start, offsetBy: 2)], radix: 16)
        }
    }

    private func files(_ bytes: [UInt8], size: Int = 1 << 20, count: Int = 100) throws -> [String: String] {
        let files = try Tarball.files(in: bytes, maximumSize: size, maximumFiles: count)
        return Dictionary(uniqueKeysWithValues: files.map { ($0.path, String(decoding: $0.bytes, as: UTF8.self)) })
    }

    @Test func `the files are found below the first directory, whatever it is called`() async throws {
        let bytes = try await archive(
            "add('any name/package.json', b'{}'); add('any name/./lib//a.js', b'1'); add('any name/ü.js', b'2'); add('any name/lib/a.js', b'3')"
        )
        #expect(try files(bytes) == ["package.json": "{}", "lib/a.js": "3", "ü.js": "2"])
    }

    @Test func `links and devices are left out`() async throws {
        let bytes = try await archive(
            "add('p/a', b'1'); add('p/b', kind=tarfile.SYMTYPE, target='/etc/passwd'); "
                + "add('p/c', kind=tarfile.LNKTYPE, target='p/a'); add('p/d', kind=tarfile.CHRTYPE); add('p/e', kind=tarfile.FIFOTYPE)"
        )
        #expect(try files(bytes) == ["a": "1"])
    }

    @Test(arguments: ["add('p/../../a')", "add('a')", "add('../a')", "add('p/a/../../../b')"])
    func `a path that leads outside is refused`(_ script: String) async throws {
        let bytes = try await archive(script)
        #expect(throws: OCIError.self) { try files(bytes) }
    }

    @Test func `what is larger than allowed, has more files, or is no archive is refused`() async throws {
        let large = try await archive("add('p/a', b'0' * 2000000)")
        #expect(throws: OCIError.self) { try files(large) }
        let many = try await archive("[add('p/%d' % i) for i in range(101)]")
        #expect(throws: OCIError.self) { try files(many) }
        #expect(throws: OCIError.self) { try files(Array("no archive".utf8)) }
        #expect(throws: OCIError.self) { try files(Array(large.prefix(500))) }
    }
}
