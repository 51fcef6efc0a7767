import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Packages in the shapes that real ones have.
@Suite(.serialized) struct PackageShapeTests {
    static let packages = [
        TestPackage(
            "@acme/core", "2.1.0", main: "exports.name = 'core ' + require('./lib').part;",
            files: ["lib/index.js": "exports.part = 'part';"]),
        TestPackage(
            "plugin", "1.0.0", main: "import { host } from 'host'; export const plugged = `plugin of ${host}`;",
            manifest: #"{"type":"module","exports":{".":{"import":"./index.js"}},"peerDependencies":{"host":">=2"}}"#),
        TestPackage(
            "host", "2.0.0", main: "export const host = 'host 2';",
            manifest: #"{"type":"module","exports":"./index.js"}"#),
        TestPackage(
            "host", "3.0.0", main: "export const host = 'host 3';",
            manifest: #"{"type":"module","exports":"./index.js"}"#),
        TestPackage(
            "dual", "1.0.0", main: "module.exports = () => 'required';",
            manifest: #"{"exports":{".":{"import":"./index.mjs","require":"./index.js"},"./data.json":"./data.json"}}"#,
            files: ["index.mjs": "export default () => 'imported';", "data.json": #"{"answer":42}"#]),
    ]

    @Test func `scoped packages, peers, CommonJS, conditions and JSON of packages work offline`() async throws {
        try await withNPMRegistry(Self.packages) { url in
            try await withBuilder(imports: try DependencyTests.settings(npm: url)) { builder in
                let source = """
                    import core from "npm:@acme/core@^2";
                    import { plugged } from "npm:plugin@1";
                    import { host } from "npm:host@2";
                    import dual from "npm:dual";
                    import data from "npm:dual/data.json" with { type: "json" };
                    export default () => new Response([core.name, plugged, host, dual(), data.answer].join(", "));
                    """
                let answer = try await builder.post("name=shapes", source)
                #expect(answer.status == 201, "\(answer.text)")
                let deployed = try JSONDecoder().decode(DeployAnswer.self, from: Data(answer.body))
                let names = try #require(deployed.dependencies)
                #expect(
                    names.prefix(4) == [
                        "npm:@acme/core@2.1.0", "npm:dual@1.0.0", "npm:host@2.0.0", "npm:plugin@1.0.0",
                    ],
                    "\(names)")
                try await builder.serving(try await builder.latest()) { server in
                    let answer = try await server.call("/")
                    let text = answer.text
                    #expect(text.hasPrefix("core part, plugin of host "), "\(text)")
                    #expect(text.hasSuffix(", host 2, imported, 42"), "\(text)")
                }
                // The same again: nothing is built, and the answer knows all the same.
                let again = try await builder.post("name=shapes", source)
                #expect(try JSONDecoder().decode(DeployAnswer.self, from: Data(again.body)).dependencies == names)
                let plain = try await builder.post("name=plain", "export default () => new Response('')")
                #expect(try JSONDecoder().decode(DeployAnswer.self, from: Data(plain.body)).dependencies == nil)
            }
        }
    }

    @Test func `an archive that is not the announced one, and a redirect to a private address, are refused`()
        async throws
    {
        try await withModuleServer(["secret.js": "export default 'secret'"]) { inside in
            let files = ["leads.js": "export { default } from '\(inside)secret.js';"]
            try await withModuleServer(files) { outside in
                var settings = DependencySettings()
                let port = Int(outside.split(separator: ":").last?.dropLast() ?? "")
                settings.policy = DialPolicy(allowed: [HostRule(host: "127.0.0.1", port: port)])
                try await withBuilder(imports: settings) { builder in
                    for path in ["leads.js", "away?to=\(inside)secret.js"] {
                        let source = "import a from '\(outside)\(path)'; export default () => a"
                        let problem = try await builder.refusal("name=private", source, 422)
                        #expect(problem.detail.contains("--allow-import"), "\(path): \(problem.detail)")
                    }
                }
            }
        }
        let integrity = "sha512-\(String(repeating: "A", count: 86))=="
        let forged = TestPackage(
            "tampered", "1.0.0", main: "", files: [".packument.json": #"{"dist":{"integrity":"\#(integrity)"}}"#])
        try await withNPMRegistry([forged]) { url in
            try await withBuilder(imports: try DependencyTests.settings(npm: url)) { builder in
                let source = "import a from 'npm:tampered'; export default () => a"
                let problem = try await builder.refusal("name=tampered", source, 502)
                #expect(problem.detail.contains("tampered") && problem.detail.contains("checksum"), "\(problem.detail)")
            }
        }
    }

    @Test func `a package of ten thousand files is baked, or refused with the limit`() async throws {
        var files: [String: String] = [:]
        for index in 0..<10_000 { files["lib/\(index % 100)/\(index).js"] = "exports.n = \(index);" }
        let many = TestPackage("many", "1.0.0", main: "module.exports = require('./lib/7/4207.js').n;", files: files)
        try await withNPMRegistry([many]) { url in
            let source = "import n from 'npm:many'; export default () => new Response(String(n))"
            try await withBuilder(imports: try DependencyTests.settings(npm: url)) { builder in
                let answer = try await builder.post("name=many", source)
                #expect(answer.status == 201, "\(answer.text)")
                try await builder.serving(try await builder.latest()) { server in
                    let answer = try await server.call("/")
                    #expect(answer.text == "4207")
                }
            }
            var settings = try DependencyTests.settings(npm: url)
            settings.files = 5000
            try await withBuilder(imports: settings) { builder in
                let problem = try await builder.refusal("name=many", source, 422)
                #expect(
                    problem.type == "urn:kiln:imports-too-large" && problem.detail.contains("5000")
                        && problem.detail.contains("--max-dependency-files"), "\(problem.detail)")
            }
        }
    }

    @Test func `imports that need more connections than are allowed are refused with the limit`() async throws {
        var files = ["all.js": (0..<40).map { "import './\($0).js';" }.joined(separator: "\n") + "export default 1;"]
        for index in 0..<40 { files["\(index).js"] = "export default \(index);" }
        try await withModuleServer(files) { [files] url in
            let source = "import all from '\(url)all.js'; export default () => new Response(String(all))"
            var settings = try DependencyTests.settings()
            settings.connections = 1
            try await withBuilder(imports: settings) { builder in
                let problem = try await builder.refusal("name=many", source, 422)
                #expect(
                    problem.type == "urn:kiln:imports-too-large"
                        && problem.detail.contains("more than 1 connections at a time")
                        && problem.detail.contains("--max-import-connections"), "\(problem.detail)")
            }
            try await withBuilder(imports: try DependencyTests.settings()) { builder in
                let answer = try await builder.post("name=many", source)
                #expect(answer.status == 201 && files.count == 41, "\(answer.text)")
            }
        }
    }
}
