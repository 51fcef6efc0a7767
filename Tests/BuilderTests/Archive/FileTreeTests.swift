import Builder
import Contract
import Foundation
import OCI
import Support
import Testing
import Transfer

/// Functions of several files: what the checker makes of them, and what is baked.
@Suite(.serialized) struct FileTreeTests {
    /// One of everything that a module may name.
    static let files = [
        "main.ts": """
        import { greet, type Greeting } from "./lib/greet.ts";
        import config from "./config.json" with { type: "json" };
        import page from "./page.html" with { type: "text" };
        import express from "express";
        import { shout } from "@/shout.ts";
        new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
        const greeting: Greeting = { name: config.name };
        export default async (_: Request): Promise<Response> =>
          new Response(greet(greeting) + page + shout((await import("./lib/late.ts")).late) + express);
        """,
        "lib/greet.ts":
            "import type { Name } from './names.ts';\nexport interface Greeting { name: Name }\n"
            + "export const greet = (g: Greeting): string => g.name;",
        "lib/names.ts": "export type Name = string;",
        "lib/late.ts": "import './plain.js'; export const late: string = 'l';",
        "lib/plain.js": "import { late } from './late.ts'; export const get = () => late;",
        "lib/shout.ts": "export enum Volume { Loud }\nexport const shout = (s: string): string => s + Volume.Loud;",
        "worker.ts": "console.log(1 as number);", "config.json": #"{ "name": "tree" }"#, "page.html": "<p>",
        "unused.ts": "this is no TypeScript (",
        "deno.json": "{ // names\n \"imports\": { \"express\": \"npm:express@4\", \"@/\": \"./lib/\", } }",
    ]

    @Test func `all modules that the entry leads to become JavaScript, and each name keeps its meaning`() async throws {
        try await withChecker { checker in
            let module = try await checker.module(of: Self.files)
            #expect(module.form == .request)
            let made = try #require(module.files)
            #expect(made.main == "main.ts.js" && made.warnings.isEmpty)
            #expect(
                made.modules.map(\.path).sorted() == [
                    "lib/greet.ts.js", "lib/late.ts.js", "lib/shout.ts.js", "main.ts.js", "worker.ts.js",
                ])
            let map = String(decoding: made.importMap, as: UTF8.self)
            #expect(map.contains(#""./source/lib/greet.ts":"./source/lib/greet.ts.js""#))
            #expect(map.contains(#""@/shout.ts":"./source/lib/shout.ts.js""#))
            #expect(
                module.imports == [ExternalImport(specifier: "npm:express@4", line: 4, column: 21, file: "main.ts")])
            guard case .passed = try await checker.types(of: Self.files) else {
                throw FixtureFailure("The types are right, and were refused.")
            }
        }
    }

    @Test func `what workers run has its types checked, with the globals of a worker`() async throws {
        var files = [
            "main.ts": """
            import { half } from "./lib/half.ts";
            const worker = new Worker(new URL("./work/one.ts", import.meta.url), { type: "module" });
            worker.postMessage(half(4));
            export default () => new Response("ok");
            """,
            "lib/half.ts": "export const half = (n: number): number => n / 2;",
            "work/one.ts": """
            #!/usr/bin/env deno
            import { half } from "@/half.ts";
            self.onmessage = ({ data }: MessageEvent<number>) => self.postMessage(half(data));
            new Worker(new URL("two.ts", import.meta.url), { type: "module" });
            """,
            "work/two.ts": "import type { Half } from './types.ts';\nconst half: Half = 1;\npostMessage(half);",
            "work/types.ts": "export type Half = number;", "deno.json": #"{ "imports": { "@/": "./lib/" } }"#,
        ]
        let right = files
        files["lib/half.ts"] = "export const half = (n: number): number => String(n);"
        files["work/one.ts"] = right["work/one.ts"]?.replacing("(half(data))", with: "(half('x'), wrong)")
        files["work/two.ts"] = "import type { Half } from './types.ts';\nconst half: Half = '1'; postMessage(half);"
        try await withChecker { [files] checker in
            #expect(try await checker.types(of: right) == .passed(note: nil))
            guard case .failed(let findings) = try await checker.types(of: files) else {
                throw FixtureFailure("Wrong types were accepted.")
            }
            let places = findings.diagnostics.map { "\($0.file):\($0.line ?? 0):\($0.column ?? 0) \($0.code)" }
            #expect(
                places.sorted() == [
                    "lib/half.ts:1:44 TS2322", "work/one.ts:3:76 TS2345", "work/one.ts:3:82 TS2304",
                    "work/two.ts:2:7 TS2322",
                ])
            // The globals of a worker are not the entry's.
            var confused = right
            confused["main.ts"] = right["main.ts"].map { $0 + "\nself.postMessage(1);" }
            guard case .failed(let own) = try await checker.types(of: confused) else {
                throw FixtureFailure("The entry has postMessage.")
            }
            #expect(own.diagnostics.map(\.code) == ["TS2339"], "\(own.diagnostics)")
            let imports = try await checker.module(
                of: right.merging([
                    "work/types.ts": "export type { Half } from 'npm:halves';"
                ]) { $1 }
            ).imports
            #expect(imports.map(\.specifier) == ["npm:halves"] && imports.first?.types == true)
        }
    }

    @Test func `every file tells the first thing that the engine rejects in it`() async throws {
        try await withChecker { checker in
            let findings = try await checker.findings(in: [
                "main.ts": "import './a.ts'; import './b.js'; import './c.ts'; export default () => new Response('');",
                "a.ts": "export const a: number = 1;\n\n  const a = 2;", "b.js": "export const b = /(/;\nlet b;",
                "c.ts": "import { nothing } from 'node:fs'; export const c = nothing;",
                "d.ts": "const d = 1; const d = 2;",
            ])
            let places = findings.diagnostics.map { "\($0.file):\($0.line ?? 0) \($0.code)" }
            #expect(places.sorted() == ["a.ts:3 syntax", "b.js:1 syntax", "c.ts:1 syntax"])
        }
    }

    static let problems: [([String: String], [String])] = [
        (["lib/a.ts": "import './none.ts'"], ["lib/a.ts:1:8 unresolved-import"]),
        (["lib/a.ts": "\n/* ü😀 */ import './b'", "lib/b.ts": ""], ["lib/a.ts:2:17 unresolved-import"]),
        (["lib/a.ts": "import './c.json'", "lib/c.json": "{}"], ["lib/a.ts:1:8 unsupported-import"]),
        (
            ["lib/a.ts": "import d from './c.json' with { type: 'json' }; d", "lib/c.json": "{\n x"],
            ["lib/c.json:2:2 syntax"]
        ),
        (
            ["lib/a.ts": "import b from './b.bin' with { type: 'bytes' }; b", "lib/b.bin": ""],
            ["lib/a.ts:1:15 unsupported-import"]
        ),
        (["lib/a.ts": "import './b.txt'", "lib/b.txt": ""], ["lib/a.ts:1:8 unsupported-import"]),
        (["lib/a.ts": "import './b.cjs'", "lib/b.cjs": ""], ["lib/b.cjs unsupported-import"]),
        (["lib/a.ts": "const a = 1;\nlet a = 2"], ["lib/a.ts:2:5 syntax"]),
        (["lib/a.ts": "import './b.js'", "lib/b.js": "let x = 1;\n  let x: number"], ["lib/b.js:2:7 syntax"]),
        (["lib/a.ts": "import './b.js'", "lib/b.js": "/(/"], ["lib/b.js:1:1 syntax"]),
        (
            ["lib/a.ts": "import 'chalk'; import 'fs'"],
            ["lib/a.ts:1:8 unresolved-import", "lib/a.ts:1:24 unresolved-import"]
        ),
        (["lib/a.ts": "export const x = <p>hi</p>"], ["lib/a.ts:1:24 syntax"]),
        (["lib/a.ts": "new Worker(new URL('./w.ts', import.meta.url))"], ["lib/a.ts:1:20 unresolved-import"]),
        (["lib/a.ts": "", "deno.json": "{ \"imports\": 1 }"], ["deno.json invalid-config"]),
        (["lib/a.ts": "", "deno.json": "{"], ["deno.json invalid-config"]),
        (["lib/a.ts": "", "deno.json": #"{"imports":{"x":"../up.ts"}}"#], ["deno.json invalid-config"]),
        (["lib/a.ts": "", "deno.json": #"{"importMap":"https://x.example/map.json"}"#], ["deno.json invalid-config"]),
        (["lib/a.ts": "", "main.ts": "import './lib/a.ts'; console.log(1)"], ["main.ts no-handler"]),
    ]

    @Test func `what is wrong is told with the file that it is in`() async throws {
        try await withChecker { checker in
            for (files, expected) in Self.problems {
                let entry = ["main.ts": "import './lib/a.ts';\nexport default () => new Response('')"]
                let findings = try await checker.findings(in: entry.merging(files) { $1 })
                let found = findings.diagnostics.map { found in
                    let place = [found.file, found.line.map(String.init), found.column.map(String.init)]
                    return place.compactMap(\.self).joined(separator: ":") + " " + found.code
                }
                #expect(found == expected, "\(files): \(findings.diagnostics)")
            }
        }
    }

    static let hostile = [
        "import 'file:///etc/passwd'", "import '/etc/passwd'", "import '../../etc/passwd'", "import '../%2e%2e/up.ts'",
        "import './%2e%2e%2f%2e%2e/etc/passwd'", "import p from '/etc/passwd' with { type: 'text' }; p",
        "import p from '../../../../etc/passwd' with { type: 'text' }; p", "import './..%5c..%5cx.ts'",
        "const f = () => import('file:///proc/self/environ'); f()", "import '//etc/passwd'",
        "import '@/../../etc/passwd'",
        "new Worker(new URL('/etc/passwd', import.meta.url))", "export * from 'FILE:/etc/passwd'", "import './a.ts?x'",
    ]
    static let hostileTypes = [
        "/// <reference path=\"/etc/passwd\" />\nexport {}", "/** @type {import('../../etc/passwd').A} */\nlet a; a",
        "import type A from 'file:///etc/passwd'; let a: A; a", "let a: typeof import('/kiln/checker.js'); a",
        "// @deno-types=\"/etc/passwd\"\nimport 'node:fs'",
    ]

    @Test func `no file but the function's own is looked at, from any of its modules`() async throws {
        try await withChecker { checker in
            let rest = [
                "main.ts": "import './lib/a.ts';\nexport default () => new Response('')",
                "deno.json": #"{"imports":{"@/":"./lib/"}}"#,
            ]
            for source in Self.hostile {
                let findings = try await checker.findings(in: rest.merging(["lib/a.ts": source]) { $1 })
                #expect(findings.diagnostics.first?.code == "unresolved-import", "\(source): \(findings)")
                #expect(findings.diagnostics.allSatisfy { !$0.message.contains("root:") && $0.file == "lib/a.ts" })
            }
            for source in Self.hostileTypes {
                guard
                    case .failed(let findings) = try await checker.types(of: rest.merging(["lib/a.ts": source]) { $1 })
                else { throw FixtureFailure("'\(source)' was accepted.") }
                #expect(findings.diagnostics.first?.code == "unresolved-import", "\(source): \(findings)")
                #expect(findings.diagnostics.allSatisfy { !$0.message.contains("root:") && $0.file == "lib/a.ts" })
            }
        }
    }

    @Test func `types are checked over all modules, with places in the files as they were sent`() async throws {
        try await withChecker { checker in
            var files = Self.files
            files["lib/late.ts"] = "import { shout } from '@/shout.ts'; export const late: number = shout(1);"
            files["worker.ts"] = "const a: string = 1;"
            files["unused.ts"] = "const b: string = 1;"
            guard case .failed(let findings) = try await checker.types(of: files) else {
                throw FixtureFailure("It was accepted.")
            }
            let found = findings.diagnostics.map { "\($0.file):\($0.line ?? 0):\($0.column ?? 0) \($0.code)" }
            #expect(
                found.sorted() == [
                    "lib/late.ts:1:50 TS2322", "lib/late.ts:1:71 TS2345", "main.ts:9:47 TS2345",
                    "worker.ts:1:7 TS2322",
                ], "\(findings)")
            #expect(findings.diagnostics.allSatisfy { !$0.message.contains("/tmp") })
        }
    }

    @Test func `handlers of every form are found where they are`() async throws {
        let cases: [([String: String], HandlerForm)] = [
            (["main.ts": "export { default } from './b.ts'", "b.ts": "export default ({ req }: any) => req"], .event),
            (
                [
                    "main.ts": "import h from './b.ts'; export default h",
                    "b.ts": "export default () => new Response('')",
                ], .request
            ),
            (["main.ts": "import './b.ts'", "b.ts": "Deno.serve(() => new Response(''))"], .serve),
            (
                ["main.ts": "import './b.js'", "b.js": "import http from 'node:http'; http.createServer().listen(1)"],
                .node
            ),
            (["main.js": "export default { fetch() {} }"], .request),
            (
                [
                    "main.ts": "import './b.ts'; export default () => 1",
                    "b.ts": "function d(v: any, _: any) { return v }\n@d class K {} new K()",
                ], .request
            ),
        ]
        try await withChecker { checker in
            for (files, form) in cases {
                let module = try await checker.module(of: files)
                #expect(module.form == form, "\(files)")
            }
        }
    }

    @Test func `configuration that is not heeded is said to be`() async throws {
        try await withChecker { checker in
            var files = ["main.ts": "import { a } from 'a'; export default () => a", "a.ts": "export const a = 1"]
            files["deno.jsonc"] = #"{ "importMap": "maps/m.json", /* , */ "compilerOptions": { "strict": false } }"#
            files["maps/m.json"] = #"{ "imports": { "a": "../a.ts" }, "scopes": {} }"#
            files["deno.lock"] = "{}"
            files["package.json"] = #"{ "dependencies": { "chalk": "1" } }"#
            let module = try await checker.module(of: files)
            let warnings = try #require(module.files).warnings.joined(separator: "\n")
            for word in ["compilerOptions is", "scopes are", "package.json"] {
                #expect(warnings.contains(word), "\(word): \(warnings)")
            }
            let map = String(decoding: try #require(module.files).importMap, as: UTF8.self)
            #expect(map.contains(#""a":"./source/a.ts.js""#))
        }
    }

    @Test func `the same files are the same image, however they were packed, and every file is in it`() async throws {
        let hello = [
            "main.ts": "import { a } from './lib/a.ts'; export default () => new Response(a)",
            "lib/a.ts": "export const a: string = 'a'", "lib/a.ts.js": "taken", "page.html": "<p>",
        ]
        try await withBuilder { builder in
            let first = try await RealTar.archive(hello, ["--sort=name"])
            let second = try await RealTar.archive(
                hello, ["-z", "--format=pax", "--owner=1000", "--mtime=2001-01-01", "--mode=777"])
            for body in [first, second] {
                let answer = try await builder.post("name=tree", body)
                #expect(answer.status == 201, "\(answer.text)")
            }
            let deploys = builder.deployer.deploys
            #expect(Set(deploys.map(\.image.digest)).count == 1)
            #expect(deploys[1].timings["check"] == nil)
            let image = try await builder.registry.image("kiln/tree", .digest(try #require(deploys.first).image.digest))
            #expect(image.config.config?.workingDirectory == "/app/source")
            #expect(image.config.config?.command == ["/kiln/bootstrap.js", "request", "/app/source/main.ts.js"])
            #expect(image.config.config?.entrypoint?.last == "--import-map=/app/imports.json")
            let layer = try await builder.registry.blob("kiln/tree", try #require(image.manifest.layers.last))
            let listing = try await command("tar", ["-tzf", "-"], input: layer)
            #expect(
                listing.output.split(separator: "\n").map(String.init) == [
                    "app/", "app/imports.json", "app/source/", "app/source/lib/", "app/source/lib/a.ts",
                    "app/source/lib/a.ts.2.js", "app/source/lib/a.ts.js", "app/source/main.ts", "app/source/main.ts.js",
                    "app/source/page.html",
                ])
            var changed = hello
            changed["page.html"] = "<b>"
            _ = try await builder.post("name=tree", try await RealTar.archive(changed, []))
            #expect(builder.deployer.deploys.last?.image.digest != deploys.first?.image.digest)

            let wrong = try await builder.post("name=tree&entry=lib/b.ts", first)
            #expect(wrong.status == 422 && wrong.text.contains("urn:kiln:no-entry") && wrong.text.contains("lib/a.ts"))
            let dry = try await builder.post("name=other&dry-run=true", second)
            let digest = try #require(deploys.first).image.digest.description
            #expect(dry.status == 200 && dry.text.contains(digest))
            let single = try await builder.post("name=tree&entry=main.ts", PipelineTests.hello)
            #expect(single.status == 400 && single.text.contains("entry"))
        }
    }
}

extension DenoServer {
    private func tree(_ files: [String: String]) -> FileTree {
        FileTree(
            entry: files["main.ts"] == nil ? "main.js" : "main.ts", files: files.mapValues { .bytes(Array($0.utf8)) })
    }

    /// What the checker makes of `files`; throws when it refuses them.
    func module(of files: [String: String]) async throws -> CheckedModule {
        switch try await CheckerConnection(client: client).check(tree(files), at: endpoint) {
        case .passed(let module): return module
        case .failed(let findings): throw FixtureFailure("\(files) were refused: \(findings.diagnostics)")
        }
    }

    /// Why the checker refuses `files`; throws when it accepts them.
    func findings(in files: [String: String]) async throws -> Findings {
        switch try await CheckerConnection(client: client).check(tree(files), at: endpoint) {
        case .passed: throw FixtureFailure("\(files) were accepted.")
        case .failed(let findings): return findings
        }
    }

    /// What the checker says of the types of `files`.
    func types(of files: [String: String]) async throws -> TypesResult {
        var timing = CheckerConnection.Timing()
        timing.patience = .seconds(60)
        let question = TypesQuestion(source: .files(tree(files)), file: BuildPlan.sourceFile, isLenient: false)
        return try await CheckerConnection(client: client, timing: timing).checkTypes(question, at: endpoint)
    }
}
