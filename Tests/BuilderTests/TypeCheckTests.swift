import Builder
import Contract
import Foundation
import Glibc
import Support
import Testing
import Transfer

/// Types, checked by the resident language server of the real Deno.
@Suite(.serialized) struct TypeCheckTests {
    static let problems: [(String, [(String, Int, Int)])] = [
        ("const a: string = 1;\nexport default (r: Request): Response => a", [("TS2322", 1, 7), ("TS2322", 2, 42)]),
        ("/* ü😀 */ const a: string = 1; export default () => a", [("TS2322", 1, 16)]),
        ("\u{feff}const a: string = 1; export default () => a", [("TS2322", 1, 7)]),
        ("export default (request: Request) => new Response(request.nothing)", [("TS2339", 1, 59)]),
        ("Deno.serve(() => 'text' as string)", [("TS2769", 1, 12)]),
        ("let a: Buffer = 'x' as string; import 'node:http'; export default () => a", [("TS2322", 1, 5)]),
        ("export default ({ req }: { req: Deno.RequestEvent }) => { req.respondWith('x') }", [("TS2345", 1, 75)]),
        ("export default (r: Request, unknown): Response => new Response('')", [("TS7006", 1, 29)]),
        ("const a = null; const b: string = a; export default () => b as string", [("TS2322", 1, 23)]),
        ("// Nobody says that this is TypeScript.\nDeno.serve(() => new Respnse(''))", [("TS2552", 2, 22)]),
        ("#!/usr/bin/env deno\nDeno.serve((request) => new Response(request.nothing))", [("TS2339", 2, 46)]),
    ]

    @Test func `every type error is told with its place`() async throws {
        try await withChecker { checker in
            for (source, expected) in Self.problems {
                let findings = try await checker.typeFindings(source)
                let found = findings.diagnostics.map { "\($0.code) \($0.line ?? 0):\($0.column ?? 0)" }
                #expect(found == expected.map { "\($0.0) \($0.1):\($0.2)" }, "\(source): \(findings.diagnostics)")
                #expect(findings.diagnostics.allSatisfy { $0.file == "main.ts" })
            }
        }
    }

    static let rightTypes = [
        "export default (request: Request): Response => new Response(request.url)",
        "export default async function handler({ req }: { req: Deno.RequestEvent }) { await req.respondWith(new Response(req.url)) }",
        "export default { fetch: (r) => new Response(r.url) } satisfies Deno.ServeDefaultExport",
        "import { createServer } from 'node:http'; createServer((q, a) => a.end(q.url as string)).listen(80)",
        "import { readFile } from 'node:fs/promises'; export default async () => new Response(await readFile('/x', 'utf8'))",
        "import x from 'data:text/typescript,export default 1 as number'; const n: number = x; export default () => n",
        "/// <reference lib=\"dom\" />\nexport default (r: Request) => new Response(r.url)",
        "// @ts-nocheck\nconst a: string = 1; export default () => a",
        // JavaScript that says nothing about types, as it is posted without a name.
        "export default (request) => new Response(request.url)",
        "class A { constructor() { this.x = 1 } }\nconst o = {}; o.y = 1; export default () => Response.json([new A().x, o.y])",
        "const word = new Error().stack.split(' ')[0]; export default () => new Response(Deno.env.get('A').trim() + btoa(Deno.env.get('B')))",
        "export default { async fetch(request) { try { return await fetch(request) } catch (e) { return new Response(e.message) } } }",
        "",
    ]

    @Test func `code with right types passes, and so does JavaScript that has none`() async throws {
        try await withChecker { checker in
            for source in Self.rightTypes {
                let result = try await checker.types(source)
                #expect(result == .passed(note: nil), "\(source)")
            }
            let examples = try FileManager.default.contentsOfDirectory(atPath: Clone.root + "/examples")
            for name in examples.sorted() where name.hasSuffix(".ts") {
                let source = try String(contentsOfFile: "\(Clone.root)/examples/\(name)", encoding: .utf8)
                guard case .passed(let note) = try await checker.types(source) else {
                    Issue.record("\(name) has type errors")
                    continue
                }
                // The types of packages are not at hand, and that is said.
                #expect((note != nil) == source.contains("npm:"), "\(name)")
            }
        }
    }

    @Test func `packages whose types are not at hand count as any, and that is said`() async throws {
        try await withChecker { checker in
            let source =
                "import type { A } from 'npm:express'; export default (a: A, b: (x: A) => void) => { b((x) => x) }"
            guard case .passed(let note) = try await checker.types(source) else {
                throw FixtureFailure("It was refused.")
            }
            #expect(note?.contains("counts as any") == true)
            let wrong = "import type { A } from 'jsr:@a/b'; const s: string = 1; export default (a: A) => s"
            #expect(try await checker.typeFindings(wrong).diagnostics.map(\.code) == ["TS2322"])
        }
    }

    static let hostile: [(String, String)] = [
        ("/// <reference path=\"/etc/passwd\" />\nexport default () => 1", "unresolved-import"),
        ("/// <reference types='/etc/passwd' />\nexport default () => 1", "unresolved-import"),
        ("// @deno-types=\"/etc/passwd\"\nimport 'node:fs'; export default () => 1", "unresolved-import"),
        ("/** @type {import('/etc/passwd').A} */\nlet a; export default () => a", "unresolved-import"),
        ("/** @import { A } from '/etc/passwd' */\nexport default () => 1", "unresolved-import"),
        (";;import type A from '/etc/passwd'; export default (a: A) => a", "unresolved-import"),
        ("import type A from 'file:///etc/passwd'; export default (a: A) => a", "unresolved-import"),
        ("import type A from '../../etc/passwd'; export default (a: A) => a", "unresolved-import"),
        ("let a: import('/proc/self/environ').A; export default () => a", "unresolved-import"),
        ("class C { ; x?: typeof import('/kiln/checker.js') } export default () => new C()", "unresolved-import"),
        ("import 'data:text/typescript,import \"/etc/passwd\"'; export default () => 1", "unresolved-import"),
        (
            "import 'data:text/javascript;base64,aW1wb3J0ICIvZXRjL3Bhc3N3ZCI='; export default () => 1",
            "unresolved-import"
        ),
        ("import '/etc/passwd' with { type: 'text' }; export default () => 1", "unresolved-import"),
    ]

    @Test func `nothing but the function's own files is looked at for its types`() async throws {
        try await withChecker { checker in
            for (source, code) in Self.hostile {
                let findings = try await checker.typeFindings(source)
                #expect(findings.diagnostics.first?.code == code, "\(source): \(findings.diagnostics)")
                #expect(findings.diagnostics.allSatisfy { !$0.message.contains("root:") && $0.line == 1 })
            }
        }
    }

    @Test func `types that are too much get a clear answer, and the next check works`() async throws {
        try await withChecker { checker in
            let digits = "type D = '0'|'1'|'2'|'3'|'4'|'5'|'6'|'7'|'8'|'9'; type N = `${D}${D}${D}${D}`;"
            let sources = [
                "type T<N, A extends any[] = []> = A['length'] extends N ? A : T<N, [...A, 1]>; let x: T<100000> = 1; export default x",
                "type A<T> = { a: A<[T]>; b: A<T[]> }; declare let x: A<1>; declare let y: A<2>; x = y; export default (): string => 1",
                digits + " let m: `${N}${D}` = 'x'; export default m",
                digits
                    + "type F<T extends string> = T extends `${infer A}${infer B}` ? `${F<B>}${A}` : ''; type M = F<N>;"
                    + "type O = { [K in M]: { [L in N]: [K, L] } }; declare let p: O; declare let q: { [K in N]: { [L in M]: [K, L] } };"
                    + "q = p; p = q; const wrong: string = 1; export default p",
                "const a: " + String(repeating: "{ a: ", count: 3000) + "1" + String(repeating: "}", count: 3000)
                    + " = 1; export default a",
            ]
            for source in sources {
                let findings = try await checker.typeFindings(source, seconds: 5)
                #expect(!findings.diagnostics.isEmpty)
                #expect(try await checker.types(Self.rightTypes[0]) == .passed(note: nil))
            }
        }
    }

    @Test func `thousands of errors are bounded and counted`() async throws {
        try await withChecker { checker in
            let lines = (0..<5000).map { "const a\($0): string = \($0);" }
            let findings = try await checker.typeFindings(lines.joined(separator: "\n") + "\nexport default 1")
            #expect(findings.diagnostics.count == 100)
            #expect(findings.more == 4900)
        }
    }

    @Test func `one check sees nothing of another`() async throws {
        try await withChecker { checker in
            let polluting = [
                "declare global { var leaked: 1 } export default () => leaked",
                "const alsoLeaked: number = 1; Deno.serve(() => new Response(String(alsoLeaked)))",
                "declare module 'node:fs' { export const zz: 1 } import { zz } from 'node:fs'; export default zz",
            ]
            for source in polluting { #expect(try await checker.types(source) == .passed(note: nil)) }
            let findings = try await checker.typeFindings(
                "import { zz } from 'node:fs'; export default (): unknown => [leaked, alsoLeaked, zz]")
            #expect(findings.diagnostics.map(\.code) == ["TS2305", "TS2304", "TS2304"])
            #expect(try checker.leftovers() == [])
        }
    }

    @Test func `checks asked for at the same time are all answered rightly`() async throws {
        try await withChecker { checker in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for index in 0..<24 {
                    group.addTask {
                        let findings = try await checker.typeFindings("let a: 'v\(index)' = 'x'; export default a")
                        return findings.diagnostics.first?.message.contains("v\(index)\"") == true
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func `a type checker that is killed or hangs is replaced, and nobody notices`() async throws {
        try await withChecker { checker in
            for signal in [SIGKILL, SIGSTOP, SIGKILL] {
                #expect(try await checker.types(Self.rightTypes[0], seconds: 60) == .passed(note: nil))
                for process in checker.languageServers() { kill(process, signal) }
                let findings = try await checker.typeFindings("const a: string = 1; export default a", seconds: 60)
                #expect(findings.diagnostics.map(\.code) == ["TS2322"])
            }
        }
    }

    @Test func `a parser that is killed is replaced, and nobody notices`() async throws {
        try await withChecker { checker in
            for _ in 1...2 {
                for process in checker.children(running: "analyst.js") { kill(process, SIGKILL) }
                _ = try await checker.module(of: Self.rightTypes[0])
            }
        }
    }

    @Test func `used-up type checkers are replaced while others check`() async throws {
        try await withChecker { checker in
            #expect(try await checker.types(Self.rightTypes[0]) == .passed(note: nil))
            let first = checker.languageServers()
            let text = "// " + String(repeating: "x", count: 9 << 20)
            for _ in 1...5 { #expect(try await checker.types("\(Self.rightTypes[0])\n\(text)") == .passed(note: nil)) }
            try await waitUntil("the first one is gone") { Set(first).isDisjoint(with: checker.languageServers()) }
        }
    }
}

extension DenoServer {
    /// What the checker says of the types of `source`, posted as the Builder posts what has no name.
    func types(_ source: String, seconds: Int = 10) async throws -> TypesResult {
        var timing = CheckerConnection.Timing()
        timing.check = .seconds(seconds)
        timing.patience = .seconds(60)
        let connection = CheckerConnection(client: client, timing: timing)
        var isLenient = false
        if case .passed(let module) = try await check(Array(source.utf8)) { isLenient = module.isPlain }
        return try await connection.checkTypes(
            TypesQuestion(source: .module(Array(source.utf8)), file: BuildPlan.sourceFile, isLenient: isLenient),
            at: endpoint)
    }

    /// The errors in the types of `source`; throws when there are none.
    func typeFindings(_ source: String, seconds: Int = 10) async throws -> Findings {
        switch try await types(source, seconds: seconds) {
        case .failed(let findings): return findings
        case let other: throw FixtureFailure("'\(source.prefix(200))': \(other)")
        }
    }

    /// The language servers among the process's children.
    func languageServers() -> [Int32] { children(running: "lsp") }

    /// The process's children with `argument` in their command line.
    func children(running argument: String) -> [Int32] {
        let path = "/proc/\(processIdentifier)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let children = threads.flatMap { thread in
            ((try? String(contentsOfFile: "\(path)/\(thread)/children", encoding: .utf8)) ?? "").split(separator: " ")
                .compactMap { Int32($0) }
        }
        return children.filter { child in
            ((try? String(contentsOfFile: "/proc/\(child)/cmdline", encoding: .utf8)) ?? "").split(separator: "\0")
                .contains { $0.hasSuffix(argument) }
        }
    }

    /// Files of checks that are over.
    func leftovers() throws -> [String] {
        let temporary = root + "/tmp"
        return try FileManager.default.contentsOfDirectory(atPath: temporary).filter { $0.hasPrefix("server-") }
            .flatMap { try FileManager.default.contentsOfDirectory(atPath: "\(temporary)/\($0)") }
            .filter { $0 != "deno" }
    }
}
