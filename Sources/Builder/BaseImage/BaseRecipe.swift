import Contract
import Crypto
import FoundationEssentials
import OCI

/// What the base image is made of: Deno with the libraries it loads, and Kiln's scripts.
///
/// The libraries are this machine's. Deno is a plain binary that needs a C library and little else: certificates are
/// compiled into it, and names are resolved by what is in the C library (since glibc 2.34 that includes DNS).
package struct BaseRecipe: Sendable, Hashable {
    /// Rises when the same parts have to make another image.
    package static let format = 2
    /// The Deno that everything here is tested with; `scripts/fetch-deno.sh` brings it.
    package static let denoVersion = "2.9.8"

    /// A layer to make.
    package struct Step: Sendable, Hashable {
        /// What makes it, for the image's history.
        package let createdBy: String
        /// What is in it.
        package let entries: [LayerEntry]

        /// A layer of `entries`, made by `createdBy`.
        package init(createdBy: String, entries: [LayerEntry]) {
            self.createdBy = createdBy
            self.entries = entries
        }
    }

    /// The layers, lowest first.
    package let steps: [Step]
    /// The Deno that makes the caches for a last layer; `nil` leaves it out.
    let warmingDeno: String?

    /// A recipe of other layers.
    package init(steps: [Step]) {
        self.steps = steps
        warmingDeno = nil
    }

    /// The recipe with the Deno binary at `deno`; throws `recipe` when that or a library is missing here.
    package init(deno: String) throws(BuilderError) {
        guard FileManager.default.isExecutableFile(atPath: deno) else {
            throw BuilderError(.recipe, "There is no Deno at \(deno): fetch it with scripts/fetch-deno.sh.")
        }
        var runtime = [LayerEntry.file("usr/bin/deno", copying: deno, mode: 0o755)]
        for path in try RuntimeLibraries.find() {
            runtime.append(.file(String(path.dropFirst()), copying: path, mode: 0o755))
        }
        steps = [
            Step(createdBy: "kiln: deno", entries: LayerEntry.directories(of: runtime) + runtime),
            Step(createdBy: "kiln: scripts", entries: Self.platform),
        ]
        warmingDeno = deno
    }

    /// How a container of the base image runs: it is the checker.
    package static var execution: ImageConfig.Execution {
        var execution = ImageConfig.Execution()
        execution.user = "65532:65532"
        execution.workingDirectory = "/app"
        execution.stopSignal = "SIGTERM"
        execution.entrypoint = Sandbox.checker
        execution.environment = [
            // Writable, because Deno retries for 165 ms what it cannot write, and keeps localStorage and caches there.
            "DENO_DIR=/tmp/.deno",
            "DENO_NO_UPDATE_CHECK=1",
            // Where to serve outside Kiln, which sets another address for each instance.
            "DENO_SERVE_ADDRESS=tcp:0.0.0.0:8000",
            "NO_COLOR=1",
        ]
        return execution
    }

    /// The digest over everything that the image is made from. Reads every file.
    package func inputDigest() throws(BuilderError) -> Contract.Digest {
        var hash = InputHash()
        hash.add("kiln base \(Self.format)")
        do {
            hash.add(try CanonicalJSON.encode(Self.execution))
            // The caches are made of Deno and of scripts: of this one, and of those that are in the image.
            if warmingDeno != nil { hash.add(PackageResources.warm_js) }
            for entry in steps.flatMap(\.entries) {
                hash.add("\(entry.path) \(entry.mode) \(entry.uid) \(entry.gid)")
                switch entry.kind {
                case .directory: hash.add("directory")
                case .symlink(let target): hash.add("symlink \(target)")
                case .file(.bytes(let bytes)): hash.add(bytes)
                case .file(.spooled(let bytes)): try hash.add(.spooled(bytes))
                case .file(.file(let path)):
                    let content = try Data(contentsOf: URL(filePath: path), options: .alwaysMapped)
                    hash.add("file \(content.count) " + Contract.Digest(bytes: SHA256.hash(data: content)).hex)
                }
            }
        } catch {
            throw BuilderError(.recipe, "A part of the base image cannot be read.", cause: error)
        }
        return hash.digest()
    }

    /// What makes a base image of another image with Deno.
    static var platformStep: Step { Step(createdBy: "kiln: scripts", entries: platform) }

    /// Kiln's scripts by their paths in the image; `kiln run` starts them outside of one too.
    package static var scripts: [LayerEntry] { platform.filter { $0.path.hasPrefix("kiln/") } }

    /// Kiln's scripts, and the directories and mount points that a container needs.
    private static let platform: [LayerEntry] = [
        .directory("app"), .directory("deno"), .directory("dev"), .directory("etc"), .directory("kiln"),
        .directory("proc"),
        .directory("resolve"),
        .directory("run"),
        .directory("run/kiln"), .directory("sys"), .directory("tmp", mode: 0o1777),
        .file("etc/hosts", Array("127.0.0.1 localhost\n".utf8)),
        .file("etc/nsswitch.conf", Array("hosts: files dns\n".utf8)),
        .file("etc/resolv.conf", []),
        .file("kiln/ambient.d.ts", PackageResources.ambient_d_ts),
        .file("kiln/analyst.js", PackageResources.analyst_js),
        .file("kiln/bake.js", PackageResources.bake_js),
        .file("kiln/bootstrap.js", PackageResources.bootstrap_js),
        .file("kiln/caches.js", PackageResources.caches_js),
        .file("kiln/check.json", PackageResources.check_json),
        .file("kiln/check-command.js", PackageResources.check_command_js),
        .file("kiln/checker.js", PackageResources.checker_js),
        .file("kiln/code.js", PackageResources.code_js),
        .file("kiln/commonjs.js", PackageResources.commonjs_js),
        .file("kiln/compile.js", PackageResources.compile_js),
        .file("kiln/configuration.js", PackageResources.configuration_js),
        .file("kiln/edges.js", PackageResources.edges_js),
        .file("kiln/forwarder.js", PackageResources.forwarder_js),
        .file("kiln/frames.js", PackageResources.frames_js),
        .file("kiln/graph.js", PackageResources.graph_js),
        .file("kiln/handler.js", PackageResources.handler_js),
        .file("kiln/import-map.js", PackageResources.import_map_js),
        .file("kiln/imports.js", PackageResources.imports_js),
        .file("kiln/language-server.js", PackageResources.language_server_js),
        .file("kiln/loader.js", PackageResources.loader_js),
        .file("kiln/lock.js", PackageResources.lock_js),
        .file("kiln/node.js", PackageResources.node_js),
        .file("kiln/ordered.js", PackageResources.ordered_js),
        .file("kiln/own-code.js", PackageResources.own_code_js),
        .file("kiln/packages.js", PackageResources.packages_js),
        .file("kiln/parser.js", PackageResources.parser_js),
        .file("kiln/references.js", PackageResources.references_js),
        .file("kiln/residents.js", PackageResources.residents_js),
        .file("kiln/resolve.js", PackageResources.resolve_js),
        .file("kiln/source.js", PackageResources.source_js),
        .file("kiln/survey.js", PackageResources.survey_js),
        .file("kiln/tree.js", PackageResources.tree_js),
        .file("kiln/types.js", PackageResources.types_js),
        .file("kiln/within.js", PackageResources.within_js),
    ]
}
