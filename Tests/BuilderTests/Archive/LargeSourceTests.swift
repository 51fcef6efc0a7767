import Contract
import FoundationEssentials
import Glibc
import OCI
import Support
import Testing
import Transfer

@testable import Builder

/// Sources that do not fit into memory.
@Suite struct LargeSourceTests {
    /// What the kernel says of this process's memory, in KiB.
    private static func memory(_ name: String) -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// How much more memory than before this process had at most while it unpacked, hashed and packed again `count` assets of 2 MiB.
    private static func growth(_ count: Int) async throws -> Int {
        let directory = "/tmp/kiln-test-large-\(getpid())"
        let spool = try SpoolDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        var state: UInt64 = 1
        let asset = (0..<2 << 20).map { index in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return index & 1 == 0 ? UInt8(truncatingIfNeeded: state >> 40) : 65
        }
        try Data(asset).write(to: URL(filePath: directory + "/asset"))
        let module = LayerEntry.file("main.ts", Array("export default () => new Response('x');".utf8))
        let body = try Layer(
            [module] + (0..<count).map { .file("\($0).bin", copying: directory + "/asset") }, compression: .fast,
            spool: spool
        ).content
        let before = memory("VmRSS")
        // Sets the mark of the most memory back (proc(5)).
        try Data("5".utf8).write(to: URL(filePath: "/proc/self/clear_refs"))
        var limits = ArchiveLimits()
        limits.bytes = 1 << 30
        let source = try await SourceArchive(limits, spool: spool).source(body, mediaType: nil, entry: nil)
        let plan = try BuildPlan(base: Digest(bytes: repeatElement(1, count: 32)), source)
        _ = try plan.sourceDigest()
        let files = CheckedFiles(main: "main.ts", modules: [], importMap: [], warnings: [])
        let layer = try await Layer.make(plan.layer(CheckedModule(form: .request, files: files)), spool: spool)
        guard try layer.content.size > count << 20 else { throw FixtureFailure("The layer is too small.") }
        return (memory("VmHWM") - before) >> 10
    }

    @Test func `a hundred megabytes of assets take little memory`() async {
        await #expect(processExitsWith: .success) {
            let mebibytes = try await LargeSourceTests.growth(50)
            if mebibytes > 40 { print("\(mebibytes) MiB") }
            exit(mebibytes <= 40 ? 0 : 1)
        }
    }

    @Test(.enabled(if: getuid() == 0))
    func `a deploy for which the disk has no room is told so, and the next one goes on`()
        async throws
    {
        try await withBuilder { builder in
            let spool = builder.socket.replacing("/builder.sock", with: "/spool")
            #expect(try await command("mount", ["-t", "tmpfs", "-o", "size=2m", "none", spool]).succeeded)
            let large = try await builder.post("name=large", [UInt8](repeating: 32, count: 5 << 20))
            #expect(large.status == 507 && large.text.contains("disk-full"), "\(large.text)")
            // What it had was given back with it.
            let small = try await builder.post("name=large", [UInt8](repeating: 32, count: 1_500_000))
            #expect(small.status == 422 || small.status == 201, "\(small.text)")
            #expect(try await command("umount", [spool]).succeeded)
        }
    }
}
