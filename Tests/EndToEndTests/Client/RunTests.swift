import Foundation
import Support
import Testing

/// `kiln run` of directories, and of functions that import packages, without a platform.
@Suite(.serialized) struct RunTests {
    @Test func `a directory is served as a deploy of it would be, and followed`() async throws {
        try await withTool("http://127.0.0.1:1") { kiln in
            for (path, text) in DirectoryTests.files { try kiln.write("shop/\(path)", text) }
            try kiln.write(
                "shop/deno.json", #"{ "imports": { "@/": "./lib/" }, "nodeModulesDir": "auto" }"#)
            try await Self.serving(kiln, ["shop"]) { url, running in
                #expect(try Self.get(url) == #"["Hello, tree!",true,"HI",1,"WORKER"]"#)
                #expect(try Self.get(url + "computed").contains(#","HI",2,"#))
                let warning = "kiln: warning: deno.json: nodeModulesDir is not heeded here."
                #expect(running.complained.contains(warning), "\(running.complained)")
                #expect(running.complained.contains("shop answers at "))
                try kiln.write("shop/lib/greet.ts", "export const greet = (name: string): string => `Hi, ${name;\n")
                try await eventually("the error is shown", within: .seconds(60)) {
                    running.complained.contains("shop/lib/greet.ts:1:") && running.complained.contains("error syntax")
                }
                #expect(try Self.get(url).contains("Hello, tree!"), "what ran goes on")
                try kiln.write("shop/lib/greet.ts", "export const greet = (name: string): number => `Hi, ${name}`;\n")
                try await eventually("the change is served, and the type error shown", within: .seconds(60)) {
                    running.complained.contains("shop/lib/greet.ts:1:48: error TS2322")
                }
                #expect(try Self.get(url).contains("Hi, tree"))
                try kiln.write("shop/lib/new/deep.ts", "export const deep = 'deep';\n")
                try kiln.write(
                    "shop/main.ts", "export { default } from './answer.ts';\nimport './lib/new/deep.ts';\n")
                try kiln.write(
                    "shop/answer.ts",
                    "import { deep } from '@/new/deep.ts';\nexport default () => new Response(deep + Deno.cwd().slice(-11));\n"
                )
                try await eventually("new files are served", within: .seconds(60)) {
                    try Self.get(url) == "deep/app/source"
                }
                let told = running.complained.components(separatedBy: "is not heeded here").count - 1
                #expect(told == 1, "the same is said once: \(running.complained)")
            }
            try await Self.serving(kiln, ["shop", "--entry", "other/app.ts"]) { url, _ in
                let answer = try Self.get(url)
                #expect(answer == "other")
            }
            #expect(try kiln("run", "shop", "--entry", "none.ts").code == 4)
            #expect(try kiln("run", "-").code == 2)
            let without = try kiln("run", "shop/lib")
            #expect(without.code == 2 && without.errors.contains("--entry"), "\(without)")
            try kiln.write("bad/main.ts", "import './other.ts';\nexport default () => new Response(");
            let bad = try kiln("run", "bad", "--no-reload", "--listen", "127.0.0.1:0")
            #expect(bad.code == 5 && bad.errors.contains("bad/main.ts:2:"), "\(bad)")
        }
    }

    @Test func `how packages are used is checked, with what Deno fetches of them`() async throws {
        let packages = [
            TestPackage(
                "sums", "1.0.0", main: "exports.sum = (a, b) => a + b;", manifest: #"{"types":"index.d.ts"}"#,
                files: ["index.d.ts": "export declare function sum(a: number, b: number): number;"]),
            TestPackage("bare", "1.0.0", main: "exports.twice = (n) => 2 * n;"),
        ]
        try await withNPMRegistry(packages) { npm in
            try await withTool("http://127.0.0.1:1") { kiln in
                var kiln = kiln
                kiln.environment["NPM_CONFIG_REGISTRY"] = npm
                kiln.environment["DENO_DIR"] = kiln.directory + "/cache"
                func write(_ argument: String) throws {
                    try kiln.write(
                        "app/main.ts",
                        "import { sum } from 'sums';\nexport default () => new Response(String(sum(1, \(argument))));\n"
                    )
                }
                try kiln.write("app/deno.json", #"{ "imports": { "sums": "npm:sums@1" } }"#)
                try write("'2'")
                try await Self.serving(kiln, ["app"]) { url, running in
                    #expect(try Self.get(url) == "12")
                    try await eventually("the wrong argument is told", within: .seconds(60)) {
                        running.complained.contains("app/main.ts:2:49: error TS2345")
                    }
                    try write("2")
                    try await eventually("the right one is served", within: .seconds(60)) { try Self.get(url) == "3" }
                    for number in 3...6 {
                        try write("'\(number)'")
                        try await eventually("the next wrong one is told", within: .seconds(60)) {
                            running.complained.components(separatedBy: "error TS2345").count == number
                        }
                    }
                    #expect(!running.complained.contains("warning"), "\(running.complained)")
                }
                try kiln.write(
                    "f.ts",
                    "import { twice } from 'npm:bare@1';\nexport default () => new Response(String(twice(21)));\n")
                try await Self.serving(kiln, ["f.ts"]) { url, running in
                    #expect(try Self.get(url) == "42")
                    try await eventually("it is said that there are no types", within: .seconds(60)) {
                        running.complained.contains("warning: No types come with npm:bare@1")
                    }
                }
            }
        }
    }

    /// Runs `kiln run` with `arguments`, and `body` with its URL once it serves.
    private static func serving(
        _ kiln: CommandLineTool, _ arguments: [String],
        _ body: (String, CommandLineTool.Running) async throws -> Void
    ) async throws {
        let running = try kiln.start(["run"] + arguments + ["--listen", "127.0.0.1:0"])
        do {
            try await eventually("it serves", within: .seconds(60)) { running.complained.contains("answers at") }
            let url = try #require(running.complained.firstMatch(of: /answers at (http:\S+)/)?.1)
            try await body(String(url), running)
        } catch {
            Issue.record("\(error): \(running.complained)")
        }
        #expect(running.end() == 0)
    }

    private static func get(_ url: String) throws -> String {
        try run("curl", ["-s", "--retry", "5", "--retry-connrefused", "--retry-delay", "1", url]).output
    }
}
