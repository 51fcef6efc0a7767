import ArgumentParser
import Builder
import Contract
import FoundationEssentials

/// Where functions' imports may come from; options of `kiln builder` and `kiln up` alike.
struct DependencyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where npm: imports come from (default: https://registry.npmjs.org/).", valueName: "url"))
    var npmRegistry: String?

    @Option(help: ArgumentHelp("Where jsr: imports come from (default: https://jsr.io/).", valueName: "url"))
    var jsrUrl: String?

    @Option(
        help: ArgumentHelp(
            "A host that imports may come from though it is not on the public internet; may be repeated.",
            valueName: "host[:port]"))
    var allowImport: [String] = []

    @Option(
        help: ArgumentHelp(
            "A host that imports must not come from; '*' for all but the registries and those of --allow-import; may be repeated.",
            valueName: "host[:port]"))
    var denyImport: [String] = []

    @Option(
        help: ArgumentHelp(
            "A PEM file of certificates to trust beside the public ones when imports are fetched.", valueName: "path"))
    var ca: String?

    @Option(
        help: ArgumentHelp(
            "Most bytes of what one function imports, unpacked (default: 256Mi, at most 512Mi).", valueName: "bytes"))
    var maxDependencies: String?

    @Option(
        help: ArgumentHelp("Most files of what one function imports (default: 40000).", valueName: "number"))
    var maxDependencyFiles: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds that resolving the imports of one deploy may take (default: 120).", valueName: "seconds"))
    var resolveTimeout: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds that a host may let a request for an import wait without a byte (default: 15).",
            valueName: "seconds"))
    var importTimeout: Int?

    @Option(
        help: ArgumentHelp(
            "Most connections at a time for the imports of one deploy (default: 512).", valueName: "number"))
    var maxImportConnections: Int?

    @Option(
        help: ArgumentHelp(
            "Most bytes of npm archives kept on disk for later deploys (default: 1Gi).", valueName: "bytes"))
    var maxPackageCache: String?

    /// The settings; reads the certificates.
    func settings() throws -> DependencySettings {
        var settings = DependencySettings()
        settings.npmRegistry = try url(npmRegistry, "NPM_REGISTRY", "--npm-registry", settings.npmRegistry)
        settings.jsrURL = try url(jsrUrl, "JSR_URL", "--jsr-url", settings.jsrURL)
        let registries = try [settings.npmRegistry, settings.jsrURL].map { try authority($0) }
        settings.policy = DialPolicy(
            allowed: try registries + rules(allowImport, "ALLOW_IMPORT", "--allow-import").filter { $0 != .all },
            denied: try rules(denyImport, "DENY_IMPORT", "--deny-import"))
        settings.certificates = try certificates()
        settings.bytes = try Self.bytes(maxDependencies) ?? DependencySettings.defaultBytes
        settings.files =
            try Setting.number(maxDependencyFiles, "--max-dependency-files", in: 1...100_000) ?? settings.files
        settings.seconds =
            try Setting.number(resolveTimeout, "--resolve-timeout", in: 1...3600, unit: " seconds") ?? settings.seconds
        settings.silence =
            try Setting.number(importTimeout, "--import-timeout", in: 1...600, unit: " seconds") ?? settings.silence
        settings.connections =
            try Setting.number(maxImportConnections, "--max-import-connections", in: 1...4096) ?? settings.connections
        if let bytes = try Setting.bytes(maxPackageCache, "--max-package-cache", in: 0 ... .max) {
            settings.cache = Int(bytes)
        }
        return settings
    }

    /// The PEM file of `--ca`, if any.
    var certificateFile: String? { ca ?? Setting.optional("CA") }

    /// The bytes that `--max-dependencies`, given as `flag`, says; `nil` for no such option.
    static func bytes(_ flag: String?) throws -> Int? {
        try Setting.bytes(flag, "--max-dependencies", in: 1 << 20...512 << 20).map { Int($0) }
    }

    private func certificates() throws -> String? {
        guard let path = certificateFile else { return nil }
        guard let data = FileManager.default.contents(atPath: path), data.count <= 1 << 20 else {
            throw StartError("The certificates of --ca cannot be read: \(path).")
        }
        let text = String(decoding: data, as: UTF8.self)
        guard text.contains("-----BEGIN CERTIFICATE-----") else {
            throw StartError("The file of --ca has no certificate in PEM form: \(path).")
        }
        return text
    }

    private func url(_ flag: String?, _ name: String, _ option: String, _ fallback: String) throws -> String {
        guard let text = flag ?? Setting.optional(name) else { return fallback }
        guard let url = URL(string: text), let scheme = url.scheme, ["http", "https"].contains(scheme),
            url.host()?.isEmpty == false, url.user() == nil, url.query() == nil, url.fragment() == nil
        else { throw StartError("\(option) cannot be '\(text)': use a URL such as \(fallback).") }
        return text.hasSuffix("/") ? text : text + "/"
    }

    private func authority(_ url: String) throws -> HostRule {
        guard let url = URL(string: url), let host = url.host() else { throw StartError("'\(url)' has no host.") }
        return HostRule(host: host, port: url.port ?? (url.scheme == "http" ? 80 : 443))
    }

    private func rules(_ flag: [String], _ name: String, _ option: String) throws -> [HostRule] {
        try Setting.list(flag, name).map { text in
            guard let rule = HostRule(text) else {
                throw StartError("\(option) cannot be '\(text)': use a host name or address, with or without a port.")
            }
            return rule
        }
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        var list = ChildArguments.option("--npm-registry", npmRegistry)
        list += ChildArguments.option("--jsr-url", jsrUrl)
        list += ChildArguments.options("--allow-import", allowImport)
        list += ChildArguments.options("--deny-import", denyImport)
        list += ChildArguments.option("--ca", ca)
        list += ChildArguments.option("--max-dependencies", maxDependencies)
        list += ChildArguments.option("--max-dependency-files", maxDependencyFiles)
        list += ChildArguments.option("--resolve-timeout", resolveTimeout)
        list += ChildArguments.option("--import-timeout", importTimeout)
        list += ChildArguments.option("--max-import-connections", maxImportConnections)
        return list + ChildArguments.option("--max-package-cache", maxPackageCache)
    }
}
