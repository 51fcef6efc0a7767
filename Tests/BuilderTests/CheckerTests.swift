import Builder
import Contract
import Foundation
import Support
import Testing
import Transfer

/// The checker's scripts, run by the real Deno.
@Suite(.serialized) struct CheckerTests {
    static let forms: [(String, HandlerForm)] = [
        ("export default (request: Request) => new Response(request.url)", .request),
        ("export default async function (request: Request, info: unknown) { return new Response('') }", .request),
        (
            "export default { fetch(request: Request) { return new Response('') } } satisfies Deno.ServeDefaultExport",
            .request
        ),
        ("const handler = { async fetch() { return new Response('') } }; export default handler as unknown", .request),
        ("const handler = () => new Response(''); export { handler as default }", .request),
        ("class App { fetch() { return new Response('') } }; const app = new App(); export default app", .request),
        ("const make = () => () => new Response(''); export default make()", .request),
        ("export default <Value>(value: Value) => value", .request),
        ("export default ({ url, method }: Request) => new Response(url + method)", .request),
        (
            "export default async function handler({ req }: { req: any }) { await req.respondWith(new Response('')) }",
            .event
        ),
        ("const handler = ({ req }: { req: Deno.RequestEvent }) => {}; export default handler", .event),
        (
            "export default async (call: any) => { const { req } = call; await req.respondWith(new Response('')) }",
            .event
        ),
        ("function handle(call: any) { call.req.respondWith(new Response('')) }\nexport default handle", .event),
        ("Deno.serve(() => new Response(''))", .serve),
        ("if (import.meta.main) { Deno.serve({ port: 80 }, () => new Response('')) }", .serve),
        ("const { serve } = Deno;; serve(() => new Response(''))", .serve),
        ("class Empty {}; { ; /* c */ ; { ;; globalThis.Deno.serve(() => new Response('')) } }", .serve),
        ("import { createServer } from 'node:http'; createServer((_q, a) => a.end()).listen(80)", .node),
        (
            "function d(value: any, _: any) { return value } @d class K { @d x = 1 }; export default () => new Response(String(new K().x))",
            .request
        ),
        ("namespace A { export const b = 1 } enum E { C }; export default () => Response.json([A.b, E.C])", .request),
        (
            "import type { T } from './types.ts'; import { type U } from 'npm:x'; export default (v: T | U) => new Response('')",
            .request
        ),
        ("// deno-lint-ignore-file\nexport default () => new Response('')", .request),
        ("\u{feff}#!/usr/bin/env -S deno run\nexport default () => new Response('')", .request),
    ]

    @Test func `the handler form is read from the syntax tree`() async throws {
        try await withChecker { checker in
            for (source, form) in Self.forms {
                let module = try await checker.module(of: source)
                #expect(module.form == form, "\(source)")
            }
        }
    }

    static let problems: [(String, String, Int?, Int?)] = [
        ("", "no-handler", nil, nil),
        ("console.log(1)", "no-handler", nil, nil),
        ("\nexport default 'text'", "no-handler", 2, 16),
        ("export default { handle() {} }", "no-handler", 1, 16),
        ("class A {}\nexport default A", "no-handler", 1, 1),
        ("export const handler = () => new Response('')", "no-handler", nil, nil),
        ("const a = 1;\nfunction (", "syntax", 2, 10),
        ("const a: number = 1;\n\n  const a = 2; export default () => a", "syntax", 3, 9),
        ("interface I { a: number }\nexport default () => /(/", "syntax", 2, 22),
        ("import { nothing } from 'node:fs'; export default () => nothing", "syntax", 1, 10),
        ("export default () => <p>hello</p>", "syntax", 1, 31),
        ("<!doctype html>", "syntax", 1, 2),
        ("/* ü😀 */ import a from './other.ts'; export default () => a", "unresolved-import", 1, 24),
        ("import a from '/etc/shadow' with { type: 'text' }; export default () => a", "unresolved-import", 1, 15),
        ("export { default } from './other.ts'", "unresolved-import", 1, 25),
        ("export * from '../up.ts'; export default () => 1", "unresolved-import", 1, 15),
        ("export default async () => { const m = await import('./late.ts'); return m }", "unresolved-import", 1, 53),
        ("import fs from 'fs'; export default () => fs", "unresolved-import", 1, 16),
        ("import x from 'node:nope'; export default () => x", "unresolved-import", 1, 15),
        ("import chalk from 'chalk'; export default () => chalk", "unresolved-import", 1, 19),
        ("import a from 'npm:a' with { type: 'text' }; export default () => a", "unsupported-import", 1, 15),
    ]

    @Test func `what cannot run is reported with its place`() async throws {
        try await withChecker { checker in
            for (source, code, line, column) in Self.problems {
                let first = try #require(try await checker.problems(with: source).first)
                #expect(first.code == code, "\(source): \(first)")
                #expect(first.line == line, "\(source): \(first)")
                #expect(first.column == column, "\(source): \(first)")
                #expect(first.file == "main.ts")
            }
        }
    }

    @Test func `imports from elsewhere are told, each once, with where they are first`() async throws {
        try await withChecker { checker in
            let module = try await checker.module(
                of: """
                    import a, { b as c, "d e" as f } from "npm:a@1";
                    export { x, default as y } from "jsr:@b/c"; export * from "https://example.com/d.ts?e";
                    import json from "https://example.com/d.json" with { type: "json" };
                    import again from "npm:a@1"; import type { T } from "npm:types";
                    const late = () => import("npm:late");
                    export default () => new Response(String([a, c, f, json, again, late]));
                    """)
            #expect(module.form == .request)
            #expect(
                module.imports == [
                    ExternalImport(specifier: "npm:a@1", line: 1, column: 39),
                    ExternalImport(specifier: "jsr:@b/c", line: 2, column: 33),
                    ExternalImport(specifier: "https://example.com/d.ts?e", line: 2, column: 59),
                    ExternalImport(specifier: "https://example.com/d.json", type: "json", line: 3, column: 18),
                    ExternalImport(specifier: "npm:late", line: 5, column: 27),
                    ExternalImport(specifier: "npm:types", types: true, line: 4, column: 53),
                ])
        }
    }

    @Test func `a script that lets an imported module serve has a handler`() async throws {
        try await withChecker { checker in
            for (source, form) in [
                ("import express from 'npm:express'; const app = express(); app.listen(8000);", HandlerForm.node),
                ("import { serve } from 'https://deno.land/std/http/server.ts'; serve(() => new Response(''))", .serve),
                ("import { Hono } from 'npm:hono'; export default new Hono()", .request),
            ] {
                let module = try await checker.module(of: source)
                #expect(module.form == form, "\(source)")
            }
        }
    }

    @Test func `source under check is never run`() async throws {
        try await withChecker { checker in
            let probe = checker.root + "/tmp/probe"
            let source = """
                import "data:text/javascript,Deno.writeTextFileSync('\(probe)', 'x')";
                Deno.writeTextFileSync("\(probe)", "x"); await 0; globalThis.stolen = true;
                export default () => new Response("");
                """
            _ = try await checker.module(of: source)
            #expect(!FileManager.default.fileExists(atPath: probe))
            _ = try await checker.module(of: "export default () => new Response('')")
        }
    }

    @Test func `hostile source gets a clear answer and the next check works`() async throws {
        try await withChecker { checker in
            let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
            let sources = [
                "export default " + deep, "const a = " + String(repeating: "1+", count: 200_000) + "1",
                "const a: " + String(repeating: "Array<", count: 20_000) + "1" + String(repeating: ">", count: 20_000),
                String(repeating: "`${", count: 20_000) + "1" + String(repeating: "}`", count: 20_000),
            ]
            for source in sources {
                #expect(try await checker.problems(with: source).map(\.code) == ["too-complex"])
                _ = try await checker.module(of: "export default () => new Response('')")
            }
        }
    }

    @Test func `many and long findings are bounded`() async throws {
        try await withChecker { checker in
            let many = (0..<2000).map { "import a\($0) from './x\($0)'; a\($0)();" }.joined(separator: "\n")
            let first = try await checker.problems(with: many)
            #expect(first.count == 100)
            let long = "import a from './\(String(repeating: "x", count: 1_000_000))\\u001b\\n'; a()"
            let bounded = try await checker.problems(with: long)
            #expect(bounded.allSatisfy { $0.message.count < 600 && !$0.message.contains("\u{1b}") })
        }
    }

    @Test func `a check past its deadline is ended, and the next one works`() async throws {
        try await withChecker { checker in
            var timing = CheckerConnection.Timing()
            timing.check = .milliseconds(300)
            let connection = CheckerConnection(client: checker.client, timing: timing)
            let slow = "export default {\(String(repeating: "a:1,", count: 500_000))}"
            await #expect {
                try await connection.check(Array(slow.utf8), file: "main.ts", at: checker.endpoint)
            } throws: { error in
                (error as? BuilderError)?.code == .checkerTooSlow
            }
            _ = try await checker.module(of: "export default () => new Response('')")
        }
    }

    @Test func `bytes that are no text are refused`() async throws {
        try await withChecker { checker in
            guard case .failed(let findings) = try await checker.check([0xff, 0xfe, 0x00]) else {
                throw FixtureFailure("It was accepted.")
            }
            #expect(findings.diagnostics.map(\.code) == ["encoding"])
        }
    }

    @Test func `checks asked for at the same time are all answered`() async throws {
        try await withChecker { checker in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<40 {
                    group.addTask {
                        let source = "export default () => new Response('\(index)')"
                        return try await checker.module(of: source).code.contains("'\(index)'")
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test(arguments: [
        ("GET", "/check?file=main.ts", 405), ("POST", "/check?file=../x", 400), ("POST", "/other", 404),
        ("GET", "/healthz", 200),
    ])
    func `calls other than checks are told so`(method: String, target: String, status: Int) async throws {
        try await withChecker { checker in
            let answer = try await checker.call(target, method: Transfer.Method(rawValue: method))
            #expect(answer.status == status)
        }
    }
}

extension DenoServer {
    /// Checks `source` as the Builder does.
    func check(_ source: [UInt8]) async throws -> CheckResult {
        try await CheckerConnection(client: client).check(source, file: BuildPlan.sourceFile, at: endpoint)
    }

    /// The module that the checker makes of `source`; throws when it refuses it.
    func module(of source: String) async throws -> CheckedModule {
        switch try await check(Array(source.utf8)) {
        case .passed(let module): return module
        case .failed(let findings): throw FixtureFailure("'\(source.prefix(200))' was refused: \(findings.diagnostics)")
        }
    }

    /// Why the checker refuses `source`; throws when it accepts it.
    func problems(with source: String) async throws -> [Problem.Diagnostic] {
        switch try await check(Array(source.utf8)) {
        case .passed: throw FixtureFailure("'\(source.prefix(200))' was accepted.")
        case .failed(let findings): return findings.diagnostics
        }
    }
}
