import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// What the types of a source do to its deploy.
@Suite(.serialized) struct TypedDeployTests {
    private static let wrong =
        "const text: string = 1;\nexport default (r: Request): Response => new Response(text + r.nothing)"

    @Test func `a type error is a 422 with every place, and nothing is pushed or told`() async throws {
        try await withBuilder { builder in
            let answer = try await builder.post("name=hello", Self.wrong)
            #expect(answer.status == 422)
            let problem = try JSONDecoder().decode(Problem.self, from: Data(answer.body))
            #expect(problem.type == "urn:kiln:check-failed")
            #expect(problem.diagnostics?.map(\.code) == ["TS2322", "TS2339"])
            #expect(problem.diagnostics?.map(\.line) == [1, 2])
            #expect(problem.diagnostics?.map(\.column) == [7, 64])
            #expect(problem.detail.hasPrefix("main.ts:1:7: ") && problem.detail.hasSuffix("(and 1 more)"))
            #expect(problem.moreDiagnostics == nil)
            #expect(builder.deployer.deploys.isEmpty)
            #expect(try await builder.registry.tags("kiln/hello").isEmpty)
        }
    }

    @Test func `check=false skips types alone, and lets no later deploy off its check`() async throws {
        try await withBuilder { builder in
            let unchecked = try await builder.post("name=hello&check=false", Self.wrong)
            #expect(unchecked.status == 201, "\(unchecked.text)")
            let answer = try JSONDecoder().decode(DeployAnswer.self, from: Data(unchecked.body))
            #expect(answer.typesChecked == false && answer.warnings == nil)
            #expect(answer.timings["types"] == nil)
            let again = try await builder.post("name=hello&check=false", Self.wrong)
            #expect(again.status == 201 && builder.deployer.deploys.last?.timings["check"] == nil)
            let checked = try await builder.post("name=hello", Self.wrong)
            #expect(checked.status == 422)
            let noHandler = try await builder.post("name=hello&check=false", "console.log(1)")
            #expect(noHandler.status == 422)
            let bad = try await builder.post("name=hello&check=maybe", Self.wrong)
            #expect(bad.status == 400)
            let near = try await builder.post("name=hello&chek=false", Self.wrong)
            #expect(near.text.contains("Did you mean 'check'?"), "\(near.text)")
        }
    }

    @Test func `a checked source has the same image unchecked, and is not checked again`() async throws {
        try await withBuilder { builder in
            let checked = try await builder.post("name=hello", PipelineTests.hello)
            let answer = try JSONDecoder().decode(DeployAnswer.self, from: Data(checked.body))
            #expect(answer.typesChecked == true && answer.timings["types"] != nil && answer.warnings == nil)
            let unchecked = try await builder.post("name=hello&check=false", PipelineTests.hello)
            #expect(try JSONDecoder().decode(DeployAnswer.self, from: Data(unchecked.body)).typesChecked == true)
            _ = try await builder.post("name=other&check=false", PipelineTests.hello)
            #expect(Set(builder.deployer.deploys.map(\.image.digest)).count == 1)
        }
    }

    @Test func `who says that it is JavaScript or TypeScript has it checked as that`() async throws {
        try await withBuilder { builder in
            let plain = "const text = 1; text.nothing; export default (request) => new Response(request.url)"
            let cases: [(String?, String, [String])] = [
                ("text/javascript; charset=utf-8", plain, []),
                ("application/javascript", "// @ts-check\n" + plain, ["main.js TS2339", "main.js TS7006"]),
                ("application/typescript", plain, ["main.ts TS2339", "main.ts TS7006"]),
                (nil, plain, ["main.ts TS2339"]),
            ]
            for (type, source, expected) in cases {
                let headers: HeaderFields = type.map { ["Content-Type": $0] } ?? [:]
                let answer = try await builder.post("name=hello", source, headers: headers)
                #expect(answer.status == (expected.isEmpty ? 201 : 422), "\(answer.text)")
                let problem = try? JSONDecoder().decode(Problem.self, from: Data(answer.body))
                #expect(problem?.diagnostics?.map { "\($0.file) \($0.code)" } ?? [] == expected)
            }
            let digest = try #require(builder.deployer.deploys.first).image.digest
            let image = try await builder.registry.image("kiln/hello", .digest(digest))
            let layer = try await builder.registry.blob("kiln/hello", try #require(image.manifest.layers.last))
            let posted = try await command("tar", ["-xzOf", "-", "app/source/main.js"], input: layer)
            #expect(posted.output == plain)
        }
    }

    @Test func `a dry run checks types, and what it found is remembered`() async throws {
        try await withBuilder { builder in
            let refused = try await builder.post("name=hello&dry-run=true", Self.wrong)
            #expect(refused.status == 422)
            let dry = try await builder.post("name=hello&dry-run=true", PipelineTests.hello)
            #expect(try JSONDecoder().decode(DryRunAnswer.self, from: Data(dry.body)).typesChecked)
            builder.deployer.setChecker(nil)
            let remembered = try await builder.post("name=hello&dry-run=true", PipelineTests.hello)
            #expect(remembered.status == 200, "\(remembered.text)")
            let again = try await builder.post("name=hello", Self.wrong)
            #expect(again.status == 422)
        }
    }

    @Test func `a deploy goes on with the next checker when the one it was told of is gone`() async throws {
        try await withBuilder { builder in
            builder.deployer.setChecker(Endpoint(id: "gone", address: .unix(path: "/nowhere/http.sock")))
            async let answer = builder.post("name=hello", PipelineTests.hello)
            try await waitUntil("the deploy has its ticket") { builder.deployer.tickets == 1 }
            builder.deployer.setChecker(builder.checker.endpoint)
            let status = try await answer.status
            #expect(status == 201)
        }
    }

    @Test func `types that cannot be checked in time are deployed with a warning, and checked the next time`()
        async throws
    {
        try await withBuilder(
            wrapping: { UntypedChecker(checker: $0) },
            { builder in
                let answer = try await builder.post("name=hello", Self.wrong)
                #expect(answer.status == 201, "\(answer.text)")
                let deploy = try JSONDecoder().decode(DeployAnswer.self, from: Data(answer.body))
                #expect(deploy.typesChecked == false)
                #expect(deploy.warnings?.first?.contains("were not checked: None is ready.") == true)
                let again = try await builder.post("name=hello", Self.wrong)
                #expect(try JSONDecoder().decode(DeployAnswer.self, from: Data(again.body)).typesChecked == false)
                #expect(builder.deployer.deploys.last?.timings["types"] != nil)
            })
    }
}

/// A checker without a type checker.
private struct UntypedChecker: SourceChecker {
    func caches(of code: String, at endpoint: Endpoint) async throws(BuilderError) -> CodeCaches { .none }

    let checker: any SourceChecker

    func check(_ source: [UInt8], file: String, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult {
        try await checker.check(source, file: file, at: endpoint)
    }

    func checkTypes(_: TypesQuestion, at _: Endpoint) async throws(BuilderError) -> TypesResult {
        .unchecked("None is ready.")
    }

    func check(_ tree: FileTree, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult {
        try await checker.check(tree, at: endpoint)
    }

    func checkTypes(
        _: TypesQuestion, with _: PackageTypes, at _: Endpoint
    ) async throws(BuilderError) -> TypesResult {
        .unchecked("None is ready.")
    }
}
