import ArgumentParser
import Builder
import Contract
import OCI

/// What the Builder may be told; options of `kiln builder` and `kiln up` alike.
struct BuilderOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Most bytes of a function's source (default: 10Mi).", valueName: "bytes"))
    var maxSource: String?

    @OptionGroup var archive: ArchiveOptions

    @Option(help: ArgumentHelp("Longest check of a function's source or types (default: 10).", valueName: "seconds"))
    var checkTimeout: Int?

    @Option(help: ArgumentHelp("Most builds at a time (default: 32).", valueName: "number"))
    var maxBuilds: Int?

    @Option(help: ArgumentHelp("Most instances of one function (default: 16).", valueName: "number"))
    var maxInstances: Int?

    @Option(help: ArgumentHelp("Most CPU of one instance (default: 8).", valueName: "cores"))
    var maxCpu: String?

    @Option(help: ArgumentHelp("Most memory of one instance (default: 4Gi).", valueName: "bytes"))
    var maxMemory: String?

    @Option(help: ArgumentHelp("Longest timeout of a request (default: 3600).", valueName: "seconds"))
    var maxTimeout: Int?

    @Option(help: ArgumentHelp("Most concurrent requests of one instance (default: 10000).", valueName: "number"))
    var maxConcurrency: Int?

    @Option(help: ArgumentHelp("Most bytes of a function's environment (default: 64Ki).", valueName: "bytes"))
    var maxEnvBytes: String?

    @Option(help: ArgumentHelp("Most variables of a function's environment (default: 256).", valueName: "number"))
    var maxEnv: Int?

    @Option(help: ArgumentHelp("Most secrets of one function (default: 64).", valueName: "number"))
    var maxSecrets: Int?

    @Flag(help: "Let network= name private ranges.")
    var allowPrivateNetworks = false

    @Option(help: ArgumentHelp("The deno program that the base image gets.", valueName: "path"))
    var deno: String?

    @Option(
        help: ArgumentHelp(
            "The private key (PEM, P-256) that images are signed with ('kiln up': one of its own in the state directory; 'kiln builder': none).",
            valueName: "file"), completion: .file())
    var signingKey: String?

    /// The key that images are signed with; `nil` when none is named.
    func namedSigningKey() throws -> SigningKey? {
        guard let path = signingKey ?? Setting.optional("SIGNING_KEY") else { return nil }
        return try KeyFile.signingKey(path)
    }

    @Option(
        help: ArgumentHelp(
            "An image with Deno at /usr/bin/deno to put functions on, in any registry, instead of one made with --deno.",
            valueName: "reference"))
    var baseImage: String?

    /// The image that functions are put on, if one is named.
    func baseReference() throws -> ImageReference? {
        guard let text = baseImage ?? Setting.optional("BASE_IMAGE") else { return nil }
        do throws(InvalidImageReference) { return try ImageReference(text) } catch {
            throw StartError("--base-image: \(error.description)")
        }
    }

    @Option(
        help: ArgumentHelp(
            "What images are made for, e.g. linux/amd64,linux/arm64; more than this machine's own with --base-image only (default: its own).",
            valueName: "list"))
    var platforms: String?

    /// What images are made for: this machine's platform and perhaps others, each once.
    func platformList() throws -> [Platform] {
        guard let text = platforms ?? Setting.optional("PLATFORMS") else { return [.host] }
        return try PlatformList.parse(text, hasBaseImage: try baseReference() != nil)
    }

    /// Throws a sentence when there is nothing to put functions on.
    func checkBase() throws {
        _ = try platformList()
        if try baseReference() == nil { _ = try denoPath() }
    }

    /// The bounds of what a deploy may choose.
    func limits() throws -> SpecLimits {
        var limits = SpecLimits()
        limits.instances = try count(maxInstances, "MAX_INSTANCES", "--max-instances", limits.instances)
        limits.timeoutSeconds = try count(maxTimeout, "MAX_TIMEOUT", "--max-timeout", limits.timeoutSeconds)
        limits.concurrency = try count(maxConcurrency, "MAX_CONCURRENCY", "--max-concurrency", limits.concurrency)
        limits.variables = try count(maxEnv, "MAX_ENV", "--max-env", limits.variables)
        limits.secrets = try count(maxSecrets, "MAX_SECRETS", "--max-secrets", limits.secrets)
        limits.memoryBytes = try bytes(maxMemory, "--max-memory", limits.memoryBytes)
        guard limits.memoryBytes >= limits.minimumMemoryBytes else {
            throw StartError(
                "--max-memory cannot be less than \(limits.minimumMemoryBytes >> 20)Mi, which Deno needs to start.")
        }
        limits.environmentBytes = try Int(
            bytes(maxEnvBytes, "--max-env-bytes", Int64(limits.environmentBytes)))
        if let text = maxCpu ?? Setting.optional("MAX_CPU") {
            guard let millicores = Quantity.millicores(text), millicores >= 10 else {
                throw StartError("--max-cpu cannot be '\(text)': use a number of cores such as 2 or 500m.")
            }
            limits.cpuMillicores = millicores
        }
        limits.allowsPrivateNetworks = try allowPrivateNetworks || Setting.resolve(nil, "ALLOW_PRIVATE_NETWORKS", false)
        return limits
    }

    /// The deno program; `make up` names the one that it fetched.
    func denoPath() throws -> String {
        guard let path = deno ?? Setting.optional("DENO") ?? InstalledDeno.path else {
            throw StartError(
                "Say which deno program the base image gets: --deno PATH ('make up' and 'make install' see to it).")
        }
        return path
    }

    /// Most builds at a time.
    func buildLimit() throws -> Int { try count(maxBuilds, "MAX_BUILDS", "--max-builds", 32) }

    /// How long the checker has.
    func checkerTiming() throws -> CheckerConnection.Timing {
        var timing = CheckerConnection.Timing()
        let seconds = try count(checkTimeout, "CHECK_TIMEOUT", "--check-timeout", 10)
        guard seconds <= 120 else { throw StartError("--check-timeout cannot be \(seconds): use 1 to 120 seconds.") }
        timing.check = .seconds(seconds)
        return timing
    }

    /// Most bytes of a source.
    func sourceLimit() throws -> Int { try Int(bytes(maxSource, "--max-source", 10 << 20)) }

    private func count(_ flag: Int?, _ name: String, _ option: String, _ fallback: Int) throws -> Int {
        let value = try Setting.resolve(flag, name, fallback)
        guard value >= 1 else { throw StartError("\(option) cannot be \(value): use 1 or more.") }
        return value
    }

    private func bytes(_ flag: String?, _ option: String, _ fallback: Int64) throws -> Int64 {
        try Setting.bytes(flag, option, in: 1...1 << 50) ?? fallback
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        var list = ChildArguments.option("--max-source", maxSource) + archive.arguments
        list += ChildArguments.option("--check-timeout", checkTimeout)
        list += ChildArguments.option("--max-builds", maxBuilds)
        list += ChildArguments.option("--max-instances", maxInstances)
        list += ChildArguments.option("--max-cpu", maxCpu)
        list += ChildArguments.option("--max-memory", maxMemory)
        list += ChildArguments.option("--max-timeout", maxTimeout)
        list += ChildArguments.option("--max-concurrency", maxConcurrency)
        list += ChildArguments.option("--max-env-bytes", maxEnvBytes)
        list += ChildArguments.option("--max-env", maxEnv)
        list += ChildArguments.option("--max-secrets", maxSecrets)
        list += ChildArguments.option("--signing-key", signingKey)
        if allowPrivateNetworks { list.append("--allow-private-networks") }
        list += ChildArguments.option("--base-image", baseImage)
        list += ChildArguments.option("--platforms", platforms)
        return list + ChildArguments.option("--deno", deno)
    }
}
