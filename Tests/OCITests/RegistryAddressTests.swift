import Contract
import Testing

@testable import OCI

@Suite struct RegistryAddressTests {
    @Test(
        arguments: [
            ("127.0.0.1:5080", "127.0.0.1:5080", "kiln", "https://127.0.0.1:5080"),
            ("ghcr.io/acme/functions", "ghcr.io", "acme/functions", "https://ghcr.io"),
            ("docker.io/acme", "docker.io", "acme", "https://registry-1.docker.io"),
            ("index.docker.io/acme", "docker.io", "acme", "https://registry-1.docker.io"),
            ("registry-1.docker.io/acme", "docker.io", "acme", "https://registry-1.docker.io"),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com/kiln", "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                "kiln",
                "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com"
            ),
            ("europe-docker.pkg.dev/p/r/kiln", "europe-docker.pkg.dev", "p/r/kiln", "https://europe-docker.pkg.dev"),
            ("[::1]:5000/a", "[::1]:5000", "a", "https://[::1]:5000"),
        ])
    func `host and path are told apart`(text: String, name: String, path: String, url: String) throws {
        let address = try RegistryAddress(text)
        #expect(address.name == name && address.repositories.path == path && address.url(.https) == url)
        #expect(try RegistryAddress(address.text) == address)
    }

    @Test(
        arguments: [
            "", "/kiln", "https://ghcr.io/acme", "ghcr.io/", "ghcr.io/acme/", "ghcr.io/Acme", "ghcr.io//acme", "a b/c",
            "user@ghcr.io/acme", "ghcr.io/acme:tag", "ghcr.io?x=/y",
        ])
    func `what is no address is refused with a sentence`(text: String) {
        let error = #expect(throws: OCIError.self) { try RegistryAddress(text) }
        #expect(error?.message.hasSuffix(".") == true)
    }

    @Test(arguments: [
        ("127.0.0.1:5000", true), ("localhost:5000/a", true), ("[::1]:5000", true), ("127.1.2.3", true),
        ("kiln-registry:5000", false), ("127.0.0.1.example.com", false), ("10.0.0.1:5000", false),
        ("localhost.example.com", false),
    ])
    func `only the loopback device is this machine's`(text: String, isLoopback: Bool) throws {
        #expect(try RegistryAddress(text).isLoopback == isLoopback)
    }
}
