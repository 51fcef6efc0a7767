import Contract
import Foundation
import Support
import Testing
import Transfer

/// The description of the API at `/openapi.json` and the server say the same.
@Suite(.serialized) struct OpenAPITests {
    private static let source = Platform.root + "/Sources/kiln/API/openapi.json"
    private static let schemathesis = Platform.root + "/.tools/schemathesis/4.32.5"

    @Test func `every option of a deploy is described, and no other`() throws {
        let data = try Data(contentsOf: URL(filePath: Self.source))
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let paths = try #require(object["paths"] as? [String: [String: Any]])
        let deploy = try #require(paths["/func"]?["post"] as? [String: Any])
        let parameters = try #require(deploy["parameters"] as? [[String: Any]])
        let described = Set(parameters.compactMap { $0["name"] as? String })
        #expect(described == FunctionSpec.optionNames.union(FunctionSpec.deployOptionNames))
    }

    @Test func `the reference for reading is made from the description`() async throws {
        let made = try await command("python3", [Platform.root + "/scripts/api-reference.py"])
        let kept = try String(contentsOfFile: Platform.root + "/docs/api.md", encoding: .utf8)
        #expect(made.succeeded && made.output == kept, "Run: scripts/api-reference.py > docs/api.md")
    }

    @Test(
        .enabled(if: FileManager.default.fileExists(atPath: schemathesis), "scripts/fetch-schemathesis.sh was not run"))
    func `schemathesis finds no answer that the description does not have`() async throws {
        try await withPlatform { platform in
            let served = try await platform.get("/openapi.json")
            #expect(served.status == 200 && served.headers["Content-Type"] == "application/json")
            #expect(served.bytes == Array(try Data(contentsOf: URL(filePath: Self.source))))
            let version = (served.json["info"] as? [String: Any])?["version"] as? String
            #expect(try run(Platform.program, ["--version"]).output == "\(version ?? "")\n")
            try await platform.mustDeploy("api-test", "export default () => new Response('one');")
            try await platform.mustDeploy("api-test", "export default () => new Response('two');")
            // With a function that there is; it has to stay, and followed logs have no end.
            try Self.probe(
                platform, seconds: 45, parameters: ["path.name": "api-test", "query.follow": "false"],
                arguments: ["--exclude-operation-id", "deleteFunction", "--phases", "coverage,fuzzing"])
            // With whatever names come up, and sequences of calls: a deploy is followed by calls for its function, so it has to be a real one.
            try Self.probe(
                platform, seconds: 75, parameters: ["query.follow": "false", "query.dry-run": "false"],
                arguments: ["--phases", "examples,coverage,fuzzing,stateful"])
            #expect(!platform.log.contains(" error "), "\(platform.log.suffix(2000))")
        }
    }

    private static func probe(
        _ platform: Platform, seconds: Int, parameters: [String: String], arguments: [String]
    ) throws {
        // Text that looks like a source need not be one (422), a name need not be a function's (404), a revision may be
        // collected by then (410), and options are bounded by each other and by the operator (400). Of what is wrong some is too long besides (414).
        var configuration = """
            [checks.positive_data_acceptance]
            expected-statuses = ["2xx", "400", "404", "409", "410", "422"]
            [checks.negative_data_rejection]
            expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "410", "413", "414", "415", "422", "428", "429", "431", "5xx"]
            [parameters]

            """
        for (name, value) in parameters { configuration += "\"\(name)\" = \"\(value)\"\n" }
        let file = platform.state + "/schemathesis.toml"
        try configuration.write(toFile: file, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.currentDirectoryURL = URL(filePath: platform.state)
        process.arguments =
            [
                schemathesis + "/bin/schemathesis", "--config-file", file, "run", source, "--url", platform.url,
                "--exclude-path-regex", "^/fn", "--max-examples", "10", "--max-time", String(seconds), "--seed", "1",
                "--request-timeout", "60", "--warnings", "off", "--no-shrink",
            ] + arguments
        process.environment = ["PYTHONPATH": schemathesis, "PATH": "/usr/bin:/bin", "HOME": platform.state]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text.suffix(6000))")
    }
}
