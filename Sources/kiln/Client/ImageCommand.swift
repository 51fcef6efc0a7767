import ArgumentParser
import Builder
import Client
import Contract
import FoundationEssentials
import OCI
import Transfer

/// `kiln image`: what a cluster runs the roles from.
struct ImageCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "image",
        abstract: "Make an image of Kiln itself and push it to a registry, to run the roles on a cluster.",
        discussion: """
            The image has this executable, the libraries that it loads here, and Deno; its entry point is kiln. No container engine is needed. \
            Credentials are those of 'docker login', 'podman login' or 'skopeo login'.
            """)

    @Argument(
        help: ArgumentHelp("Where to, e.g. registry.example.com/tools/kiln:0.1.0.", valueName: "host/repository:tag"))
    var reference: String

    @Option(help: ArgumentHelp("The deno program for the image (KILN_DENO).", valueName: "path"), completion: .file())
    var deno: String?

    @Option(
        name: [.long, .customLong("registry-credentials")],
        help: ArgumentHelp(
            "The file with the registry's credentials (REGISTRY_AUTH_FILE); without it ~/.docker/config.json.",
            valueName: "file"),
        completion: .file())
    var authfile: String?

    @Flag(
        name: [.long, .customLong("registry-plain-http")],
        help: "Speak HTTP without TLS to the registry; on the loopback device that is so by itself.")
    var plainHttp = false

    @Option(
        help: ArgumentHelp(
            "A PEM file of certificates to trust beside the public ones when the registry is spoken to.",
            valueName: "file"), completion: .file())
    var registryCa: String?

    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let target: ImageReference
        do { target = try ImageReference(reference) } catch {
            throw ClientError(
                .usage, "'\(ControlCharacters.shown(reference))' is no place for an image: \(error.reason).")
        }
        guard case .tag(let tag) = target.selector else {
            throw ClientError(.usage, "Name a tag, not a digest: the digest is what comes of it.")
        }
        guard let deno = deno ?? Setting.optional("DENO") ?? InstalledDeno.path else {
            throw ClientError(.usage, "Say which deno program the image gets: --deno PATH ('make images' sees to it).")
        }
        do {
            printer.note("Making the image …")
            let directory = FileManager.default.temporaryDirectory.path + "/kiln-image-\(UInt64.random(in: 0 ... .max))"
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let made = try await PlatformImage(
                deno: deno, libraries: LoadedLibraries.paths, cache: BlobCache(directory: directory)
            ).image
            let size = made.manifest.layers.reduce(0) { $0 + $1.size }
            printer.note("Pushing \(size >> 20) MiB to \(target) …")
            let registry = try registry(target.registry)
            try await registry.push(made, to: target.repository, tags: [tag])
            let pinned = ImageReference(registry: target.registry, repository: target.repository, digest: made.digest)
            if printer.isJSON {
                printer.document(.object(["image": .string("\(pinned)"), "tag": .string(tag)]))
            } else {
                printer.line("\(pinned)")
            }
        } catch let error as BuilderError {
            throw ClientError(.failed, error.message)
        } catch let error as OCIError {
            throw ClientError(.failed, error.message)
        } catch let error as StartError {
            throw ClientError(.usage, error.description)
        } catch {
            throw ClientError(.failed, "The image could not be made: \(error)")
        }
    }

    private func registry(_ name: String) throws -> Registry {
        let home = Setting.variable("HOME") ?? "/root"
        var access = RegistryAccess(registry: name)
        access.plainHTTP = plainHttp
        access.certificates = registryCa ?? Setting.optional("REGISTRY_CA")
        access.credentials =
            authfile ?? Setting.optional("REGISTRY_CREDENTIALS") ?? Setting.variable("REGISTRY_AUTH_FILE")
            ?? home + "/.docker/config.json"
        try access.check()
        return try access.client(try HTTPClient(), keeper: .another)
    }
}
