import Builder
import Contract
import Testing

/// What the Builder makes of the checker's answers, which come from a process that parses hostile source.
@Suite struct CheckerAnswerTests {
    @Test func `a module that passed has its form and code`() throws {
        let answer = #"{"ok":true,"form":"event","code":"export default 1;"}"#
        let result = try CheckerAnswer(Array(answer.utf8)).checkResult(file: "main.ts")
        #expect(result == .passed(CheckedModule(form: .event, code: "export default 1;")))
    }

    @Test(arguments: [
        "", "[]", "{}", #"{"ok":true}"#, #"{"ok":true,"form":"shell","code":""}"#, #"{"ok":true,"form":"request"}"#,
        #"{"ok":false}"#, #"{"ok":false,"diagnostics":[]}"#, #"{"ok":false,"diagnostics":[{"code":"x"}]}"#,
        #"{"ok":"yes","form":"request","code":""}"#, #"{"decorators":true}"#,
    ])
    func `an answer without a result is an error, not a deploy`(answer: String) {
        let error = #expect(throws: BuilderError.self) {
            try CheckerAnswer(Array(answer.utf8)).checkResult(file: "main.ts")
        }
        #expect(error?.code == .checkerAnswer)
    }

    @Test func `diagnostics are bounded, and are about the file that was sent`() throws {
        let long = String(repeating: "x", count: 10_000)
        let one = #"{"file":"/etc/shadow","line":1,"column":2,"code":"\#(long)","message":"\#(long)"}"#
        let answer = #"{"ok":false,"diagnostics":[\#(Array(repeating: one, count: 1000).joined(separator: ","))]}"#
        let result = try CheckerAnswer(Array(answer.utf8)).checkResult(file: "main.ts")
        guard case .failed(let findings) = result else { throw CancellationError() }
        let diagnostics = findings.diagnostics
        #expect(diagnostics.count == 100 && findings.more == 900)
        #expect(diagnostics.allSatisfy { $0.file == "main.ts" && $0.code.count <= 40 && $0.message.count <= 600 })
    }
}
