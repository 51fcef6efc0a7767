import OCI
import Testing

@Suite struct PlatformTests {
    @Test func `an index yields the manifest of the platform and never unknown`() {
        #expect(Platform(os: "linux", architecture: "arm64").runs(Platform(os: "linux", architecture: "arm64", variant: "v8")))
        #expect(!Platform(os: "linux", architecture: "arm", variant: "v6").runs(Platform(os: "linux", architecture: "arm", variant: "v7")))
    }
}
