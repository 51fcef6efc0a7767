import Foundation
import Support
import Testing
import Transfer

/// Functions of several files, from `kiln deploy DIR` and from tar with curl, on a real platform.
@Suite(.serialized) struct DirectoryTests {
    static let files = [
        "main.ts": """
        import { greet } from "./lib/greet.ts";
        import config from "./config.json" with { type: "json" };
        import page from "./page.html" with { type: "text" };
        import { shout } from "@/shout.ts";

        const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
        const answer = new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));

        export default async (request: Request): Promise<Response> => {
          if (request.url.endsWith("boom")) greet("");
          const own = await Deno.readTextFile(new URL("./page.html", import.meta.url));
          const here = await Deno.readTextFile("page.html");
          const name = request.url.endsWith("computed") ? "computed" : "late";
          const { late } = await import(`./lib/${name}.ts`);
          return Response.json([greet(config.name), page === own && own === here, shout("hi"), late, await answer]);
        };
        """,
        "lib/greet.ts": """
        export interface Greeting { text: string }

        export const greet = (name: string): string => {
          if (name === "") throw new Error("nobody to greet");
          return `Hello, ${name}!`;
        };
        """,
        "lib/shout.ts": "import './late.ts';\nexport const shout = (text: string): string => text.toUpperCase();",
        "lib/late.ts": "export const late: number = 1;", "lib/computed.ts": "export const late: number = 2;",
        "worker.ts":
            "import { shout } from './lib/shout.ts';\n(self as unknown as Worker).postMessage(shout('worker'));",
        "config.json": #"{ "name": "tree" }"#, "page.html": "<p>page</p>\n",
        "deno.json": #"{ "imports": { "@/": "./lib/" } }"#,
        "other/app.ts": "export default () => new Response('other');",
    ]

    @Test func `a directory is deployed, called, changed, watched and rolled back`() async throws {
        try await withPlatform { platform in
            try await withTool(platform.url) { kiln in
                for (path, text) in Self.files { try kiln.write("shop/\(path)", text) }
                let dry = try kiln("deploy", "shop", "--dry-run")
                #expect(dry.code == 0 && dry.output.contains("handler form 'request'"), "\(dry)")
                let first = try kiln("deploy", "shop")
                #expect(first.output == "shop: revision 1 is live at \(platform.url)/fn/shop\n", "\(first)")
                let answer = try await platform.get("/fn/shop").text
                #expect(answer == #"["Hello, tree!",true,"HI",1,"WORKER"]"#)
                #expect(try await platform.get("/fn/shop/computed").text.contains(#","HI",2,"#))
                #expect(try await platform.get("/fn/shop/boom").status == 500)
                try await eventually("the trace is in the log", within: .seconds(60)) {
                    let log = try kiln("logs", "shop").output
                    return log.contains("(file:///app/source/lib/greet.ts:4:26)")
                        && log.contains("app/source/main.ts:10:")
                }
                try await packs(kiln, platform)
                try await changes(kiln, platform)
            }
        }
    }

    /// The same files by tar.
    private func packs(_ kiln: CommandLineTool, _ platform: Platform) async throws {
        for options in [["-C", kiln.directory, "shop"], ["-C", kiln.directory + "/shop", "."]] {
            for compression in [[], ["-z"]] {
                let path = kiln.directory + "/shop.tgz"
                let packed = try run("tar", ["-cf", path] + compression + options)
                #expect(packed.code == 0, "\(packed)")
                let body = Array(try Data(contentsOf: URL(filePath: path)))
                let answer = try await platform.call(
                    .post, "/func?name=shop", headers: ["Content-Type": "application/x-www-form-urlencoded"], body: body
                )
                #expect(answer.status == 200 && answer.json["unchanged"] as? Bool == true, "\(answer.text)")
            }
        }
        let other = try kiln("deploy", "shop", "--entry", "other/app.ts", "--name", "other")
        #expect(other.code == 0, "\(other)")
        #expect(try await platform.get("/fn/other").text == "other")
        let packed = try kiln("deploy", "shop.tgz")
        #expect(packed.output.hasPrefix("shop: unchanged, revision 1 "), "\(packed)")
    }

    private func changes(_ kiln: CommandLineTool, _ platform: Platform) async throws {
        try kiln.write("shop/lib/late.ts", "import './none.ts';\nexport const late: number = 'x';")
        let missing = try kiln("deploy", "shop")
        #expect(missing.code == 5)
        #expect(missing.errors.hasPrefix("shop/lib/late.ts:1:8: error unresolved-import: "), "\(missing)")
        #expect(missing.errors.contains("1 | import './none.ts';\n  |        ^\n"), "\(missing)")
        try kiln.write("shop/lib/late.ts", "export const late: number = 'x';")
        let types = try kiln("deploy", "shop")
        #expect(types.code == 5 && types.errors.hasPrefix("shop/lib/late.ts:1:14: error TS2322: "), "\(types)")
        #expect(try kiln("deploy", "shop", "--no-check").code == 0)
        #expect(try await platform.get("/fn/shop").text.contains(#""HI","x","#))

        let watcher = try kiln.start(["deploy", "shop", "--watch"])
        func until(_ what: String, _ condition: () async throws -> Bool) async throws {
            try await eventually(what, within: .seconds(60), condition)
        }
        try await until("the error is shown") { watcher.complained.contains("shop/lib/late.ts:1:14: error TS2322") }
        try kiln.write("shop/lib/late.ts", "export const late: number = 7;")
        try await until("the mended file is live") { try await platform.get("/fn/shop").text.contains(#""HI",7,"#) }
        try kiln.write("shop/config.json", #"{ "name": "data" }"#)
        try await until("data counts too") { try await platform.get("/fn/shop").text.contains("Hello, data!") }
        #expect(watcher.end() == 0)
        #expect(try kiln("rollback", "shop", "--to", "1").code == 0)
        #expect(try await platform.get("/fn/shop").text == #"["Hello, tree!",true,"HI",1,"WORKER"]"#)
    }

    @Test func `packages are resolved for all modules, by the names of deno.json`() async throws {
        try await withNPMRegistry(debian: ["express"]) { npm in
            try await withPlatform(arguments: ["--npm-registry", npm]) { platform in
                try await withTool(platform.url) { kiln in
                    try kiln.write("web/server.ts", "import { make } from './lib/make.ts'; make().listen(8000);")
                    try kiln.write(
                        "web/lib/make.ts",
                        """
                        import express from "express";
                        export const make = () => {
                          const app = express();
                          app.get("/", (_: unknown, answer: { json(value: unknown): void }) => answer.json({ by: "express" }));
                          return app;
                        };
                        """)
                    try kiln.write("web/deno.json", #"{ "imports": { "express": "npm:express@4" }, "tasks": {} }"#)
                    let deployed = try kiln("deploy", "web")
                    #expect(deployed.code == 0, "\(deployed)")
                    #expect(try await platform.get("/fn/web").json["by"] as? String == "express")
                    try kiln.write("web/deno.json", #"{ "imports": { "express": "npm:not-there@1" }, "unstable": [] }"#)
                    let missing = try kiln("deploy", "web")
                    #expect(missing.code == 5 && missing.errors.contains("web/lib/make.ts:1:21: error"), "\(missing)")
                }
            }
        }
    }
}
