import OCI
import Testing

@testable import Builder

/// What of a lock is for which platform, by locks as Deno 2.9.8 writes them.
@Suite struct LockedSystemsTests {
    private static let amd64 = Platform(os: "linux", architecture: "amd64")
    private static let arm64 = Platform(os: "linux", architecture: "arm64")

    private static func systems(_ specifiers: String, _ npm: String) throws -> LockedSystems {
        LockedSystems(try DenoLock(#"{"version":"5","specifiers":{\#(specifiers)},"npm":{\#(npm)}}"#))
    }

    @Test(arguments: [
        (#""cpu":["x64"]"#, true, false), (#""cpu":["arm64"]"#, false, true), (#""cpu":["x64","arm64"]"#, true, true),
        (#""cpu":["!arm64"]"#, true, false), (#""os":["!win32"]"#, true, true), (#""os":["darwin"]"#, false, false),
        (#""os":["linux"],"cpu":["ia32"]"#, false, false), (#""os":["any"]"#, true, true), ("", true, true),
    ])
    func `os and cpu are read as npm reads them`(said: String, isForAMD64: Bool, isForARM64: Bool) throws {
        let more = said.isEmpty ? "" : "," + said
        let systems = try Self.systems(
            #""npm:a@1":"1.0.0""#,
            #""a@1.0.0":{"integrity":"x","optionalDependencies":["b"]},"b@1.0.0":{"integrity":"x"\#(more)}"#)
        #expect(systems.packages(on: Self.amd64).contains("b@1.0.0") == isForAMD64)
        #expect(systems.packages(on: Self.arm64).contains("b@1.0.0") == isForARM64)
        let folders = systems.folders(
            on: Self.arm64, from: Self.amd64, isForAMD64 ? ["a/1.0.0", "b/1.0.0"] : ["a/1.0.0"])
        #expect(folders == (isForAMD64 == isForARM64 ? nil : isForARM64 ? ["a/1.0.0", "b/1.0.0"] : ["a/1.0.0"]))
        #expect(systems.obstacles(to: Self.arm64, from: Self.amd64).isEmpty == (!isForAMD64 || isForARM64))
    }

    @Test func `what an optional package needs comes and goes with it, by alias and with peers too`() throws {
        let systems = try Self.systems(
            #""npm:a@1":"1.0.0_p@1.0.0""#,
            #"""
            "a@1.0.0_p@1.0.0":{"integrity":"x","dependencies":["p"],"optionalDependencies":["x","y@npm:z_@2.0.0"]},
            "p@1.0.0":{"integrity":"x"},
            "x@1.0.0":{"integrity":"x","cpu":["x64"],"dependencies":["deep@2.0.0"]},
            "z_@2.0.0":{"integrity":"x","cpu":["arm64"]},
            "deep@1.0.0":{"integrity":"x"},"deep@2.0.0":{"integrity":"x"}
            """#)
        #expect(systems.packages(on: Self.amd64) == ["a@1.0.0_p@1.0.0", "p@1.0.0", "x@1.0.0", "deep@2.0.0"])
        #expect(systems.packages(on: Self.arm64) == ["a@1.0.0_p@1.0.0", "p@1.0.0", "z_@2.0.0"])
        let folders = systems.folders(
            on: Self.arm64, from: Self.amd64, ["a/1.0.0", "deep/2.0.0", "p/1.0.0", "x/1.0.0"])
        #expect(folders == ["a/1.0.0", "p/1.0.0", "z_/2.0.0"])
        #expect(systems.obstacles(to: Self.arm64, from: Self.amd64).isEmpty)
    }

    @Test func `what is needed and not for the other platform is in the way, what neither needs is not`() throws {
        let systems = try Self.systems(
            #""npm:a@1":"1.0.0","npm:b@1":"1.0.0","npm:c@1":"1.0.0""#,
            #"""
            "a@1.0.0":{"integrity":"x","dependencies":["only_"]},"only_@1.0.0":{"integrity":"x","cpu":["x64"]},
            "b@1.0.0":{"integrity":"x","optionalDependencies":["mac","part"]},
            "mac@1.0.0":{"integrity":"x","os":["darwin"]},"part@1.0.0":{"integrity":"x","os":["linux"],"cpu":["x64"]},
            "c@1.0.0":{"integrity":"x","optionalDependencies":["mac"],"cpu":["arm64"]}
            """#)
        #expect(
            systems.obstacles(to: Self.arm64, from: Self.amd64) == [
                .init(package: "only_@1.0.0", platform: Self.arm64, dependent: nil),
                .init(package: "part@1.0.0", platform: Self.arm64, dependent: "b@1.0.0"),
            ])
    }
}
