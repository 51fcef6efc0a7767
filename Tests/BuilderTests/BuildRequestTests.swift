import Builder
import Contract
import Testing

@Suite struct BuildRequestTests {
    @Test func `a name is enough`() throws {
        let request = try BuildRequest(query: [("name", "hello")], limits: SpecLimits())
        #expect(request.name.value == "hello")
        #expect(request.mode == .untilServing)
        #expect(request.spec == FunctionSpec())
    }

    @Test(arguments: [
        ("wait", "false", BuildRequest.Mode.untilRecorded), ("wait", "true", .untilServing),
        ("wait", "", .untilServing),
        ("dry-run", "true", .dryRun), ("dry-run", "", .dryRun), ("dry-run", "false", .untilServing),
    ])
    func `wait and dry-run say how far it goes`(option: String, value: String, mode: BuildRequest.Mode) throws {
        #expect(try BuildRequest(query: [(option, value), ("name", "hello")], limits: SpecLimits()).mode == mode)
    }

    @Test func `the entry of an archive is any name`() throws {
        let query = [("name", "hello"), ("entry", "lib/app.ts")]
        #expect(try BuildRequest(query: query, limits: SpecLimits()).entry == "lib/app.ts")
    }

    @Test func `every other option is the function's`() throws {
        let query = [
            ("name", "hello"), ("memory", "128Mi"), ("env", "A=1"), ("env", "B=2=3"), ("secret", "KEY"), ("min", "2"),
        ]
        let spec = try BuildRequest(query: query, limits: SpecLimits()).spec
        #expect(spec.memoryBytes == 128 << 20)
        #expect(spec.environment == ["A": "1", "B": "2=3"])
        #expect(spec.secrets == ["KEY"])
        #expect(spec.minimumInstances == 2)
    }

    @Test(
        arguments: [
            ([], "invalid-name"), ([("name", "")], "invalid-name"), ([("name", "Hello")], "invalid-name"),
            ([("name", "base")], "invalid-name"), ([("name", "a"), ("name", "b")], "invalid-option"),
            ([("name", "a"), ("wait", "maybe")], "invalid-option"),
            ([("name", "a"), ("wait", "true"), ("wait", "false")], "invalid-option"),
            ([("name", "a"), ("colour", "red")], "invalid-option"),
            ([("name", "a"), ("memory", "1Ki")], "invalid-option"),
            ([("name", "a"), ("entry", "")], "invalid-option"),
        ] as [([(String, String)], String)])
    func `what cannot be meant is a 400 that says why`(query: [(String, String)], kind: String) {
        let problem = #expect(throws: Problem.self) {
            try BuildRequest(query: query.map { (name: $0.0, value: $0.1) }, limits: SpecLimits())
        }
        #expect(problem?.status == 400)
        #expect(problem?.type == "urn:kiln:\(kind)")
    }
}
