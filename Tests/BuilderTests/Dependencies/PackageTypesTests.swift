import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// The types of what functions import, in the check of theirs.
@Suite(.serialized) struct PackageTypesTests {
    /// Packages with types of their own, with types from another package, and without.
    static let packages = [
        TestPackage(
            "sums", "1.0.0", main: "exports.sum = (a, b) => a + b;", manifest: #"{"types":"index.d.ts"}"#,
            files: [
                "index.d.ts":
                    "export declare function sum(a: number, b: number): number;\nexport interface Pair { a: number; b: number }"
            ]),
        TestPackage("bare", "1.0.0", main: "exports.twice = (a, f) => f(a * 2);"),
        TestPackage(
            "@types/bare", "1.0.0", main: "", manifest: #"{"types":"index.d.ts"}"#,
            files: ["index.d.ts": "export declare function twice<T>(a: number, f: (b: number) => T): T;"]),
    ]
    static let modules = [
        "@kiln/words/1.0.0/mod.ts": "export * from './upper.ts';",
        "@kiln/words/1.0.0/upper.ts": "export const upper = (text: string): string => text.toUpperCase();",
        "half.ts": "export const half = (a: number): number => a / 2;",
    ]

    @Test func `a wrong use of npm, JSR and web modules is a 422 at its place, and a right one goes live`() async throws
    {
        try await Self.withAll { builder, url in
            func source(_ argument: String) -> String {
                """
                import { sum } from "npm:sums@1";
                import { upper } from "jsr:@kiln/words@1";
                import { half } from "\(url)half.ts";
                // @ts-types="npm:@types/bare@1"
                import { twice } from "npm:bare@1";
                export default () => {
                  const all = [sum(1, \(argument)), half(\(argument)), twice(\(argument), (b) => b + 1)];
                  return new Response(upper("ok ") + all.join(" "));
                };
                """
            }
            let problem = try await builder.refusal("name=typed", source(#""2""#), 422)
            #expect(problem.type == "urn:kiln:check-failed", "\(problem.detail)")
            #expect(problem.diagnostics?.map(\.line) == [7, 7, 7])
            #expect(problem.diagnostics?.map(\.column) == [23, 34, 46])
            #expect(problem.diagnostics?.map(\.code) == ["TS2345", "TS2345", "TS2345"])
            #expect(
                problem.diagnostics?.first?.message
                    == "Argument of type 'string' is not assignable to parameter of type 'number'.")
            let answer = try await builder.post("name=typed", source("2"))
            #expect(answer.status == 201, "\(answer.text)")
            let deployed = try JSONDecoder().decode(DeployAnswer.self, from: Data(answer.body))
            #expect(deployed.typesChecked == true && deployed.warnings == nil, "\(answer.text)")
            try await builder.serving(try await builder.latest()) { server in
                let answer = try await server.call("/")
                #expect(answer.text == "OK 3 1 5")
            }
        }
    }

    @Test func `a package without types counts as any, and is named`() async throws {
        try await Self.withAll { builder, _ in
            let source = """
                import { twice } from "npm:bare";
                export default () => new Response(twice("x", (b) => String(b.anything)));
                """
            let answer = try await builder.post("name=bare", source)
            #expect(answer.status == 201, "\(answer.text)")
            let deployed = try JSONDecoder().decode(DeployAnswer.self, from: Data(answer.body))
            #expect(deployed.warnings == ["No types come with npm:bare: what comes from there counts as any."])
            let wrong = source + "\nconst text: string = 1;"
            let problem = try await builder.refusal("name=bare", wrong, 422)
            #expect(problem.diagnostics?.map(\.code) == ["TS2322"], "\(problem.detail)")
        }
    }

    @Test func `what is imported for its types alone is checked, and not baked`() async throws {
        try await Self.withAll { builder, _ in
            let source = """
                import type { Pair } from "npm:sums@1";
                export default () => { const pair: Pair = { a: 1, b: 2 }; return new Response(String(pair.b)) };
                """
            let answer = try await builder.post("name=pair", source)
            #expect(answer.status == 201, "\(answer.text)")
            let image = try await builder.latest()
            #expect(image.manifest.layers.count == 3)
            try await builder.serving(image) { server in
                let answer = try await server.call("/")
                #expect(answer.text == "2")
            }
            let wrong = source.replacing("b: 2", with: "c: 2")
            let problem = try await builder.refusal("name=pair", wrong, 422)
            #expect(problem.diagnostics?.first?.line == 2, "\(problem.detail)")
            let missing = "import type { A } from 'npm:not-there'; export default (a: A) => new Response(String(a))"
            let unresolved = try await builder.refusal("name=pair", missing, 422)
            #expect(unresolved.type == "urn:kiln:unresolved-imports" && unresolved.diagnostics?.first?.column == 24)
        }
    }

    @Test func `in several files too, by the names of deno.json, and by modules that are imported for types`()
        async throws
    {
        try await Self.withAll { builder, _ in
            func files(_ argument: String) -> [UInt8] {
                RawTar.archive([
                    ("deno.json", #"{ "imports": { "sums": "npm:sums@1" } }"#),
                    (
                        "main.ts",
                        """
                        import type { Shape } from "./lib/shape.ts";
                        import { add } from "./lib/add.ts";
                        export default () => { const shape: Shape = { a: 1, b: 2 }; return new Response(String(add(shape))); };
                        """
                    ),
                    ("lib/shape.ts", "import type { Pair } from 'npm:sums@1';\nexport type Shape = Pair;"),
                    (
                        "lib/add.ts",
                        """
                        import { sum } from "sums";
                        import type { Shape } from "./shape.ts";
                        export const add = (shape: Shape): number => sum(shape.a, \(argument));
                        """
                    ),
                ])
            }
            let problem = try await builder.refusal("name=several", files("'2'"), 422)
            let found = problem.diagnostics?.map { "\($0.file):\($0.line ?? 0):\($0.column ?? 0) \($0.code)" }
            #expect(found == ["lib/add.ts:3:59 TS2345"], "\(problem.detail)")
            let answer = try await builder.post("name=several", files("shape.b"))
            #expect(answer.status == 201, "\(answer.text)")
            let deployed = try JSONDecoder().decode(DeployAnswer.self, from: Data(answer.body))
            #expect(deployed.typesChecked == true && deployed.warnings == nil, "\(answer.text)")
            try await builder.serving(try await builder.latest()) { server in
                let answer = try await server.call("/")
                #expect(answer.text == "3")
            }
        }
    }

    @Test func `kept versions are checked against by a new checker, without the registry`() async throws {
        let source = "import { sum } from 'npm:sums@1'; export default () => new Response(String(sum(1, 2)))"
        try await withRegistry { registry in
            @Sendable func deploy(_ npm: String?, _ source: String, _ status: Int) async throws {
                try await withChecker { checker in
                    try await withBuilder(
                        recipe: smallRecipe, limits: BuilderAPI.Limits(),
                        imports: try DependencyTests.settings(npm: npm),
                        registry: registry, checker: checker
                    ) { builder in
                        let answer = try await builder.post("name=sums", source)
                        #expect(answer.status == status, "\(answer.text)")
                        if status == 201 { #expect(answer.text.contains(#""typesChecked":true"#)) }
                    }
                }
            }
            try await withNPMRegistry(Self.packages) { try await deploy($0, source, 201) }
            try await deploy(nil, source + "\n", 201)
            try await deploy(nil, source.replacing("(1, 2)", with: "(1, '2')"), 422)
        }
    }

    @Test func `types of packages that are too much end as a function's own do, and others are checked meanwhile`()
        async throws
    {
        let digits = "type D = '0'|'1'|'2'|'3'|'4'|'5'|'6'|'7'|'8'|'9'; type N = `${D}${D}${D}${D}`;"
        let hostile =
            digits + "type F<T extends string> = T extends `${infer A}${infer B}` ? `${F<B>}${A}` : ''; type M = F<N>;"
            + "export type O = { [K in M]: { [L in N]: [K, L] } }; export type P = { [K in N]: { [L in M]: [K, L] } };"
        let package = TestPackage(
            "hostile", "1.0.0", main: "", manifest: #"{"types":"index.d.ts"}"#, files: ["index.d.ts": hostile])
        try await withNPMRegistry([package]) { url in
            try await withBuilder(imports: try DependencyTests.settings(npm: url)) { builder in
                let source = """
                    import type { O, P } from "npm:hostile";
                    declare let p: O; declare let q: P; q = p; p = q; const wrong: string = 1;
                    export default () => new Response(String(p) + q + wrong);
                    """
                async let refused = builder.post("name=hostile", source)
                let fine = try await builder.post("name=fine", "export default (): Response => new Response('fine')")
                #expect(fine.status == 201, "\(fine.text)")
                let answer = try await refused
                #expect(answer.status == 422 && answer.text.contains("too-complex"), "\(answer.text)")
                let next = try await builder.post("name=next", "export default (): Response => new Response('next')")
                #expect(next.status == 201, "\(next.text)")
            }
        }
    }

    private static func withAll(_ body: @escaping @Sendable (BuilderFixture, String) async throws -> Void) async throws
    {
        try await withNPMRegistry(packages) { npm in
            try await withModuleServer(modules) { jsr in
                try await withBuilder(imports: try DependencyTests.settings(npm: npm, jsr: jsr)) { builder in
                    try await body(builder, jsr)
                }
            }
        }
    }
}
