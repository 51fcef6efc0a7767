import Contract
import Testing

@Suite struct FunctionNameTests {
    @Test(arguments: ["a", "hello", "a-b-c", "x1", String(repeating: "a", count: 40)])
    func `a DNS label is a name`(text: String) throws {
        #expect(try FunctionName(text).value == text)
    }

    @Test(arguments: [
        ("", "empty"), ("A", "letter"), ("1a", "letter"), ("-a", "letter"), ("a-", "end"), ("a_b", "allowed"),
        ("a.b", "allowed"), ("a/b", "allowed"), ("ä", "letter"), ("aä", "allowed"), ("kiln", "reserved"),
        ("func", "reserved"), (String(repeating: "a", count: 41), "longer"),
    ])
    func `anything else is refused with its reason`(text: String, word: String) {
        let error = #expect(throws: InvalidFunctionName.self) { try FunctionName(text) }
        #expect(error?.reason.contains(word) == true, "\(error?.reason ?? "")")
    }
}
