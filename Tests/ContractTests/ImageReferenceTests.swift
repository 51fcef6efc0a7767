import Contract
import Testing

@Suite struct ImageReferenceTests {
    private static let digest = "sha256:" + String(repeating: "ab", count: 32)

    @Test(arguments: [
        "127.0.0.1:5000/kiln/hello@\(digest)", "ghcr.io/a/b/c:r1", "localhost:5000/x:b-0123",
    ])
    func `a reference is read and written alike`(text: String) throws {
        #expect(try ImageReference(text).description == text)
    }

    @Test(arguments: [
        "hello", "/hello:1", "host/hello", "host/Hello:1", "host/hello@sha256:zz", "host/hello:", "host/a//b:1",
        "host/../b:1", "host/hello:-x",
    ])
    func `anything else is refused`(text: String) {
        #expect(throws: InvalidImageReference.self) { try ImageReference(text) }
    }
}
