import Foundation
import Support
import Testing
import Transfer

/// The options of `kiln up` about imports, and what garbage collection leaves of them.
@Suite(.serialized) struct ImportOptionTests {
    private static let sums = TestPackage(
        "sums", "1.0.0", main: "exports.sum = (a, b) => a + b;", manifest: #"{"types":"index.d.ts"}"#,
        files: ["index.d.ts": "export declare function sum(a: number, b: number): number;"])
    private static let modules = [
        "@kiln/words/1.0.0/mod.ts": "export const upper = (text: string): string => text.toUpperCase();",
        "half.ts": "export const half = (a: number): number => a / 2;",
    ]

    @Test func `registries and hosts are those of the options, and garbage collection keeps what was chosen`()
        async throws
    {
        try await withState { state, port, registryPort in
            let (platform, source) = try await withNPMRegistry([Self.sums]) { npm in
                try await withModuleServer(Self.modules) { web in
                    let host = web.split(separator: "/")[1]
                    let platform = try await Platform(
                        state: state, port: port, registryPort: registryPort,
                        arguments: [
                            "--npm-registry", npm, "--jsr-url", web, "--allow-import", String(host), "--deny-import",
                            "*", "--import-timeout", "60",
                            "--max-package-cache", "0",
                        ])
                    let source = """
                        import { sum } from "npm:sums";
                        import { upper } from "jsr:@kiln/words";
                        import { half } from "\(web)half.ts";
                        export default () => new Response(upper(`ok ${sum(1, half(4))}`));
                        """
                    let answer = try await platform.mustDeploy("options", source)
                    #expect(
                        answer.json["typesChecked"] as? Bool == true && answer.json["warnings"] == nil, "\(answer.text)"
                    )
                    #expect(
                        answer.json["dependencies"] as? [String] == [
                            "jsr:@kiln/words@1.0.0", "npm:sums@1.0.0", "\(web)half.ts",
                        ], "\(answer.text)")
                    #expect(try await platform.get("/fn/options").text == "OK 3")
                    #expect(try FileManager.default.contentsOfDirectory(atPath: state + "/packages").isEmpty)
                    let wrong = try await platform.deploy("options", source.replacing("half(4)", with: "'4'"))
                    #expect(wrong.status == 422 && wrong.text.contains("TS2345"), "\(wrong.text)")
                    let denied = try await platform.deploy(
                        "denied", "import a from 'https://example.com/a.js'; export default () => a")
                    #expect(denied.status == 422 && denied.text.contains("--deny-import"), "\(denied.text)")
                    // The command line's words for it.
                    let file = state + "/options.ts"
                    try Data(source.utf8).write(to: URL(filePath: file))
                    let deployed = try run(Platform.program, ["deploy", file, "--url", platform.url])
                    #expect(
                        deployed.output.contains("with jsr:@kiln/words@1.0.0, npm:sums@1.0.0, \(web)half.ts"),
                        "\(deployed.output)")
                    let document = try run(Platform.program, ["deploy", file, "--url", platform.url, "--json"])
                    #expect(
                        document.output.contains(#""dependencies":["jsr:@kiln/words@1.0.0","#), "\(document.output)")
                    return (platform, source)
                }
            }
            let collected = try await platform.call(.post, "/gc?keep=0&keep-for=0s")
            #expect(collected.status == 200, "\(collected.text)")
            let changed = try await platform.mustDeploy("options", source + "\n// changed, with no registry left\n")
            #expect(changed.status == 201 && changed.json["typesChecked"] as? Bool == true, "\(changed.text)")
            #expect(try await platform.get("/fn/options").text == "OK 3")
            await platform.stop()
        }
    }

    /// In one container, with its file systems and its memory, which the unit tests of the checker do not have.
    @Test func `types of packages are checked by a server that stands by, within the limits of the options`()
        async throws
    {
        let large = TestPackage(
            "large", "1.0.0", main: "exports.a = 1;", manifest: #"{"types":"index.d.ts"}"#,
            files: ["index.d.ts": "export declare const a: number;\n//" + String(repeating: "x", count: 1_200_000)])
        try await withNPMRegistry([Self.sums, large]) { npm in
            let options = [
                "--npm-registry", npm, "--max-package-types", "1Mi", "--max-package-checks", "1", "--max-type-servers",
                "1",
            ]
            try await withPlatform(arguments: options) { platform in
                func source(_ number: Int, _ argument: String) -> String {
                    "import { sum } from 'npm:sums'; export default () => new Response(String(sum(\(number), \(argument))));"
                }
                try await platform.mustDeploy("sums", source(0, "1"))
                var times: [Double] = []
                for number in 1...10 {
                    let answer = try await platform.deploy("sums", source(number, "1"), "&dry-run=true")
                    #expect(answer.json["typesChecked"] as? Bool == true, "\(answer.text)")
                    times.append((answer.json["timings"] as? [String: Double])?["types"] ?? .infinity)
                    try await Task.sleep(for: .milliseconds(500))
                }
                #expect(times.suffix(3).min() ?? .infinity < 400, "\(times)")
                let wrong = try await platform.deploy("sums", source(1, "'1'"))
                #expect(wrong.status == 422 && wrong.text.contains("TS2345"), "\(wrong.text)")
                let unchecked = try await platform.mustDeploy(
                    "large", "import { a } from 'npm:large'; export default () => new Response(String(a));")
                #expect(unchecked.json["typesChecked"] as? Bool == false, "\(unchecked.text)")
                #expect(unchecked.text.contains("--max-package-types"), "\(unchecked.text)")
            }
        }
    }
}
