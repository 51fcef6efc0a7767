import ArgumentParser
import OCI
import Transfer

/// Which registry keeps the images; options of the Builder and the Deployer.
struct RegistryOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The registry's host and port.", valueName: "host:port"))
    var registry: String?

    /// A client of the registry.
    func client(_ http: HTTPClient) throws -> Registry {
        let name = try Setting.resolve(registry, "REGISTRY", UpOptions.defaultRegistry)
        return Registry(RegistryEndpoint(name: name, url: "http://\(name)"), client: http)
    }
}
