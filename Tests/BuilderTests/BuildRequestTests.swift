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

    @Test func `what goes beside a canary's share is read, and refused without one`() throws {
        func read(_ query: [(String, String)]) throws -> BuildRequest {
            try BuildRequest(
                query: [(name: "name", value: "hello")] + query.map { (name: $0.0, value: $0.1) }, limits: SpecLimits())
        }
        let request = try read([
            ("traffic", "10"), ("sticky", "header:X-User"), ("step-back", "0.5%"), ("step-back-requests", "7"),
        ])
        #expect(request.traffic == 10 && request.sticky == .header("x-user"))
        #expect(request.stepBack == StepBack(percent: 0.5, requests: 7))
        #expect(try read([("traffic", "0"), ("step-back", "5")]).stepBack == StepBack(percent: 5))
        for (query, sentence) in [
            ([("sticky", "cookie")], "it goes with traffic=PERCENT"),
            ([("traffic", "100"), ("step-back", "5")], "it goes with traffic=PERCENT"),
            ([("traffic", "5"), ("step-back-requests", "5")], "it goes with step-back=PERCENT"),
            ([("traffic", "5"), ("sticky", "ip")], "use cookie, or header:NAME"),
            ([("traffic", "5"), ("step-back", "x")], "use a percentage"),
        ] {
            let problem = #expect(throws: Problem.self) { try read(query) }
            #expect(problem?.status == 400 && problem?.detail.contains(sentence) == true, "\(query)")
        }
    }
}
