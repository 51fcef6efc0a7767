import Builder
import Foundation
import Glibc
import Support
import Testing
import Transfer

/// Checks against packages by language servers that stand by (`base-image/residents.js`), asked as the Builder asks.
@Suite(.serialized) struct ResidentCheckTests {
    /// The set of packages `sums` (with types) and `bare` (without), as the Builder brings it.
    private static func files(_ types: String = "export declare function sum(a: number, b: number): number;")
        -> [String: String]
    {
        let integrity = "sha512-" + String(repeating: "A", count: 86) + "=="
        let lock = """
            {"version":"5","specifiers":{"npm:sums@1":"1.0.0","npm:bare@1":"1.0.0"},
            "npm":{"sums@1.0.0":{"integrity":"\(integrity)"},"bare@1.0.0":{"integrity":"\(integrity)"}}}
            """
        let sums = "npm/registry.npmjs.org/sums/1.0.0"
        let bare = "npm/registry.npmjs.org/bare/1.0.0"
        return [
            "deno.lock": lock, "\(sums)/index.js": "", "\(sums)/index.d.ts": types, "\(bare)/index.js": "",
            "\(sums)/package.json": #"{"name":"sums","version":"1.0.0","types":"index.d.ts"}"#,
            "\(bare)/package.json": #"{"name":"bare","version":"1.0.0"}"#,
        ]
    }
    private static let right = "import { sum } from 'npm:sums@1'; export default () => new Response(String(sum(1, 2)));"
    private static let first = String(repeating: "1", count: 64)
    private static let second = String(repeating: "2", count: 64)

    /// As they are posted without a name: what is JavaScript as it stands is checked as JavaScript.
    private static let javaScript = [
        "import { sum } from 'npm:sums@1'; export default (a) => new Response(String(sum(1, '2')) + a);",
        "#!/usr/bin/env deno\nimport { sum } from 'npm:sums@1';\nDeno.serve((request) => new Response(request.nothing + sum(1)));",
        "import { twice } from 'npm:bare@1'; export default (a) => new Response(twice((b) => b + a));",
    ]
    private static let typeScript = [
        right,
        "import { sum } from 'npm:sums@1';\n/* ü😀 */ export default () => sum(1, '2') + wrong;",
        "import { twice } from 'npm:bare@1'; const a: string = 1; export default () => twice((b) => b + a);",
        "import * as all from 'npm:sums@1'; import b from 'npm:bare@1'; export default () => all.nothing + b;",
        "import { readFile } from 'node:fs'; import { sum } from 'npm:sums@1'; const a: string = readFile; export default sum;",
        "import { sum } from 'npm:sums@1'; export default ({ req }: { req: Deno.RequestEvent }) => req.respondWith(sum(1, 2));",
        // What a source says of a package does not make it one with types, neither here nor for the next check.
        "declare module 'npm:bare@1' { export const a: 1 } import { a } from 'npm:bare@1'; export default (): string => a;",
        "import { a } from 'npm:bare@1'; declare global { var leaked: 1 } export default () => [1].map(leaked, (b) => a(b));",
        "import { a } from 'npm:bare@1'; export default () => [leaked, a((b) => b)];",
        "import { twice } from 'npm:bare@1'; export default () => new Response(twice((b) => b));",
        "import { a } from 'npm:elsewhere@1'; export default () => a;",
    ]

    @Test func `a server that stands by says what deno check says`() async throws {
        try await withChecker { checker in
            try await checker.bring(Self.files(), as: Self.first)
            var expected: [TypesAnswer] = []
            let sources = Self.typeScript.map { ($0, "lenient=false") } + Self.javaScript.map { ($0, "lenient=true") }
            for (source, option) in sources {
                expected.append(try await checker.types(source, Self.first, "residents=0&\(option)"))
            }
            #expect(expected.allSatisfy { !$0.isResident })
            #expect(expected.contains { $0.text.contains("TS2345") && $0.text.contains(#""line":2,"column":38"#) })
            #expect(expected.contains { $0.text.contains("No types come with npm:bare@1") })
            try await checker.warm(Self.right, Self.first)
            for ((source, option), answer) in zip(sources, expected) {
                let found = try await checker.types(source, Self.first, option)
                #expect(found.text == answer.text, "\(source)")
                // Why there is no such package, only `deno check` says.
                #expect(found.isResident != source.contains("elsewhere"), "\(source)")
            }
        }
    }

    @Test func `a server that was given up, killed or hangs is replaced, and nobody notices`() async throws {
        try await withChecker { checker in
            try await checker.bring(Self.files(), as: Self.first)
            let digits = "type D = '0'|'1'|'2'|'3'|'4'|'5'|'6'|'7'|'8'|'9'; type N = `${D}${D}${D}${D}`;"
            let endless =
                Self.right + digits
                + "type F<T extends string> = T extends `${infer A}${infer B}` ? `${F<B>}${A}` : ''; type M = F<N>;"
                + "type O = { [K in M]: { [L in N]: [K, L] } }; declare let p: O; declare let q: { [K in N]: { [L in M]: [K, L] } };"
                + "q = p; p = q; export const wrong: string = 1;"
            try await checker.warm(Self.right, Self.first)
            let refused = try await checker.types(endless, Self.first, "deadline=3000")
            #expect(refused.text.contains("too-complex"), "\(refused.text)")
            for signal in [SIGKILL, SIGSTOP] {
                #expect(try await checker.types(Self.right, Self.first).text == #"{"ok":true}"#)
                try await checker.warm(Self.right, Self.first)
                for process in checker.languageServers() { kill(process, signal) }
                let wrong = try await checker.types(Self.right + "const a: string = 1;", Self.first)
                #expect(wrong.text.contains("TS2322"), "\(wrong.text)")
            }
        }
    }

    @Test func `there are as many servers as there may be, and the one used longest ago goes first`() async throws {
        try await withChecker { checker in
            try await waitUntil("the first type checker stands by") { checker.languageServers().count == 1 }
            for digest in [Self.first, Self.second] { try await checker.bring(Self.files(), as: digest) }
            try await checker.warm(Self.right, Self.first, "residents=1")
            #expect(checker.languageServers().count == 2)
            try await checker.warm(Self.right, Self.second, "residents=1")
            try await waitUntil("one is left beside the first") { checker.languageServers().count == 2 }
            #expect(try await checker.types(Self.right, Self.first, "residents=1").isResident == false)
            _ = try await checker.types(Self.right, Self.second, "residents=0")
            #expect(try await checker.types(Self.right, Self.second, "residents=0").isResident == false)
        }
    }

    @Test func `what there is no room for any more takes its server with it`() async throws {
        try await withChecker { checker in
            let files = Self.files("// " + String(repeating: "x", count: 600_000) + "\nexport {};")
            try await waitUntil("the first type checker stands by") { checker.languageServers().count == 1 }
            try await checker.bring(Self.files(), as: Self.first, bytes: 1 << 20)
            try await checker.warm(Self.right, Self.first)
            #expect(checker.languageServers().count == 2)
            try await checker.bring(files, as: Self.second, bytes: 620_000)
            #expect(checker.languageServers().count == 1)
            #expect(try await checker.types(Self.right, Self.first).status == 404)
            #expect(try await checker.types("export default 'npm:'", Self.second).status == 200)
            #expect(try await checker.post(files, as: String(repeating: "3", count: 64), bytes: 600_000) == 413)
        }
    }

    @Test func `checks beyond the number of --max-package-checks wait their turn`() async throws {
        try await withChecker { checker in
            try await checker.bring(Self.files(), as: Self.first)
            _ = try await checker.types(Self.right, Self.first)
            async let one = checker.types(Self.right, Self.first, "parallel=1&residents=0")
            async let other = checker.types(Self.right, Self.first, "parallel=1&residents=0&patience=1")
            let answers = try await [one, other].map(\.text).sorted()
            #expect(answers.first == #"{"ok":true}"#)
            #expect(answers.last?.contains("--max-package-checks") == true, "\(answers)")
            async let third = checker.types(Self.right, Self.first, "parallel=1&residents=0")
            async let fourth = checker.types(Self.right, Self.first, "parallel=1&residents=0")
            #expect(try await [third, fourth].map(\.text) == [#"{"ok":true}"#, #"{"ok":true}"#])
        }
    }

    @Test func `the checker's memory grows with what it may hold`() {
        var limits = PackageCheckLimits()
        #expect(limits.checkerBytes == 3 << 30)
        limits.servers = 0
        #expect(limits.checkerBytes == 2 << 30)
        limits.parallel = 4
        limits.bytes = 416 << 20
        #expect(limits.checkerBytes == 3 << 30 + 256 << 20)
    }
}

/// What the checker answered to a check of types.
private struct TypesAnswer: Sendable {
    let status: Int
    /// The answer without saying whose it is.
    let text: String
    /// Whether a server gave it that stood by.
    let isResident: Bool

    init(_ response: CollectedResponse) {
        let mark = #","resident":true"#
        let whole = String(decoding: response.body, as: UTF8.self)
        status = response.status
        isResident = whole.contains(mark)
        text = whole.replacing(mark, with: "")
    }
}

extension DenoServer {
    fileprivate func bring(_ files: [String: String], as digest: String, bytes: Int = 64 << 20) async throws {
        let status = try await post(files, as: digest, bytes: bytes)
        #expect(status == 204)
    }

    fileprivate func post(_ files: [String: String], as digest: String, bytes: Int) async throws -> Int {
        var body: [UInt8] = []
        func append(_ head: String, _ content: String = "") {
            withUnsafeBytes(of: UInt32(head.utf8.count).bigEndian) { body += $0 }
            body += Array((head + content).utf8)
        }
        for (path, content) in files { append(#"{"file":"\#(path)","size":\#(content.utf8.count)}"#, content) }
        append(#"{"end":true}"#)
        return try await call("/packages?digest=\(digest)&bytes=\(bytes)", method: .post, body: .bytes(body)).status
    }

    fileprivate func types(_ source: String, _ digest: String, _ query: String = "") async throws -> TypesAnswer {
        let target = "/types?file=main.ts&packages=\(digest)&\(query)"
        return TypesAnswer(try await call(target, method: .post, body: .bytes(Array(source.utf8))))
    }

    /// Asks until a server stands by and answers.
    fileprivate func warm(_ source: String, _ digest: String, _ query: String = "") async throws {
        for _ in 1...100 {
            if try await types(source, digest, query).isResident { return }
            try await Task.sleep(for: .milliseconds(300))
        }
        throw FixtureFailure("No server stands by: \(log)")
    }
}
