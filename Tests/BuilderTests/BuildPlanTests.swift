import Builder
import Contract
import OCI
import Testing

@Suite struct BuildPlanTests {
    private let base = Digest(bytes: [UInt8](repeating: 1, count: 32))
    private let module = CheckedModule(form: .request, code: "export default 1;\n")

    @Test func `equal input has one digest, any difference another`() {
        let plan = BuildPlan(base: base, source: Array("a".utf8))
        #expect(plan.inputDigest == BuildPlan(base: base, source: Array("a".utf8)).inputDigest)
        #expect(plan.inputDigest != BuildPlan(base: base, source: Array("b".utf8)).inputDigest)
        #expect(plan.inputDigest != BuildPlan(base: base, source: []).inputDigest)
        let otherBase = Digest(bytes: [UInt8](repeating: 2, count: 32))
        #expect(plan.inputDigest != BuildPlan(base: otherBase, source: Array("a".utf8)).inputDigest)
    }

    @Test func `the tag is one that registries take`() {
        let plan = BuildPlan(base: base, source: [])
        #expect(plan.tag == "b-" + plan.inputDigest.hex)
        #expect(ImageReference.isTag(plan.tag))
    }

    @Test func `the layer has what runs and what was posted`() {
        let layer = BuildPlan(base: base, source: Array("posted".utf8)).layer(module)
        #expect(
            layer == [
                .directory("app"), .file("app/main.js", Array("export default 1;\n".utf8)), .directory("app/source"),
                .file("app/source/main.ts", Array("posted".utf8)),
            ])
    }

    @Test(arguments: [
        (HandlerForm.request, ["/kiln/bootstrap.js", "request"]), (.event, ["/kiln/bootstrap.js", "event"]),
        (.serve, ["--preload=/kiln/bootstrap.js", "/app/main.js"]),
        (.node, ["--preload=/kiln/bootstrap.js", "--preload=/kiln/node.js", "/app/main.js"]),
    ])
    func `each handler form has its command`(form: HandlerForm, command: [String]) {
        let execution = BuildPlan(base: base, source: []).execution(CheckedModule(form: form, code: ""))
        #expect(execution.command == command)
        #expect(execution.entrypoint?.first == "/usr/bin/deno")
        #expect(execution.user == "65532:65532")
        #expect(execution.stopSignal == "SIGTERM")
        #expect(execution.workingDirectory == "/app")
        #expect(execution.environment?.contains("DENO_SERVE_ADDRESS=tcp:0.0.0.0:8000") == true)
    }

    @Test func `functions get no right to run, load or learn of anything`() {
        let flags = Sandbox.function
        for refused in [
            "-A", "--allow-all", "--allow-run", "--allow-ffi", "--allow-sys", "--allow-read", "--allow-write",
        ] {
            #expect(!flags.contains(refused))
        }
        #expect(
            !flags.contains {
                $0.hasPrefix("--allow-run") || $0.hasPrefix("--allow-ffi") || $0.hasPrefix("--allow-sys")
            })
    }
}
