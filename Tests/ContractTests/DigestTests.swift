import Contract
import Testing

@Suite struct DigestTests {
    @Test(arguments: [
        "sha256:zz", "sha256:", "", "sha512:" + String(repeating: "a", count: 64),
        "sha256:" + String(repeating: "A", count: 64),
    ])
    func `anything but sha256 and 64 lower-case hex digits is refused`(text: String) {
        #expect(throws: InvalidDigest.self) { try Digest(text) }
    }

    @Test func `bytes and text are two forms of one digest`() throws {
        let digest = Digest(bytes: (0..<32).map { UInt8($0) })
        #expect(try Digest(digest.description) == digest)
        #expect(digest.hex.hasPrefix("000102030405"))
    }
}
