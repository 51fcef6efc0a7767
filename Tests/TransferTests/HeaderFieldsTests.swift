import Testing
import Transfer

@Suite struct HeaderFieldsTests {
    @Test func `names are compared without regard to case`() {
        var headers: HeaderFields = ["Content-Type": "a", "x-a": "1"]
        headers.append("X-A", "2")
        #expect(headers["content-TYPE"] == "a")
        #expect(headers.values(of: "X-a") == ["1", "2"])
        headers["X-A"] = nil
        #expect(headers.fields.count == 1)
    }

    @Test(arguments: ["a\r\nb: c", "a\nb", "a\u{0}"])
    func `a value that would add a line is not sendable`(value: String) {
        #expect(!(["X": value] as HeaderFields).isSendable)
    }

    @Test(arguments: ["", "a b", "a:", "ä", "a\n"])
    func `a name that is no token is not sendable`(name: String) {
        #expect(!(HeaderFields(dictionaryLiteral: (name, "v"))).isSendable)
    }
}
