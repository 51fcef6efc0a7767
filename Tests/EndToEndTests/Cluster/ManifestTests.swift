import Foundation
import Support
import Testing

/// The manifests in `k8s/`, held against the program that they run. What Kubernetes says of them is in `CustomResourceTests`.
@Suite struct ManifestTests {
    private static let directory = Platform.root + "/k8s"
    private static let hasKubectl = FileManager.default.isExecutableFile(atPath: "/usr/bin/kubectl")

    private static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(directory)/\(path)", encoding: .utf8)
    }

    @Test(arguments: ["builder", "deployer", "router"])
    func `each setting of a role is an option that it has`(role: String) async throws {
        var names: Set<String> = []
        let files = try FileManager.default.subpathsOfDirectory(atPath: Self.directory).filter {
            $0 == "base/\(role).yaml" || ($0.hasPrefix("components/") || $0.hasPrefix("overlays/"))
        }
        for file in files where file.hasSuffix(".yaml") {
            // Patches of other roles are passed over: they name their target.
            let parts = try Self.text(file).split(separator: /(?m)^- (target|patch):/)
            for part in parts where parts.count == 1 || part.contains("name: kiln-\(role)") {
                names.formUnion(part.matches(of: /name: KILN_([A-Z_]+)/).map { String($0.1) })
            }
        }
        #expect(names.contains("STATE_DIR"))
        let help = try await Support.command(Platform.program, [role, "--help"]).output
        for name in names {
            let option = "--" + name.lowercased().replacing("_", with: "-")
            #expect(help.contains(option), "KILN_\(name) is no setting of kiln \(role)")
        }
    }

    @Test func `functions take calls from the Pods that are the Routers, and from their namespace`() throws {
        let router = try Self.text("base/router.yaml")
        // As `WorkloadOptions.settings` has it.
        #expect(router.contains("namespace: kiln-system"))
        #expect(router.contains("app.kubernetes.io/name: kiln\n") && router.contains("component: router"))
        #expect(try Self.text("base/namespaces.yaml").contains("name: \(Cluster.functions)\n"))
    }

    @Test func `the checker runs the base image of this Deno`() throws {
        for file in ["components/registry", "overlays/private-registry"] {
            let text = try Self.text(file + "/kustomization.yaml")
            let tag = try #require(text.firstMatch(of: /name: kiln-base\n *newName: .*\/base\n *newTag: ([0-9.]+)/)?.1)
            #expect(Platform.deno.contains("/\(tag)/"), "\(file)")
        }
    }

    @Test func `every manifest is named by a kustomization, and every name is a file`() throws {
        let all = try FileManager.default.subpathsOfDirectory(atPath: Self.directory).filter { $0.hasSuffix(".yaml") }
        var named: Set<String> = []
        for file in all where file.hasSuffix("kustomization.yaml") {
            let folder = file.split(separator: "/").dropLast().joined(separator: "/")
            let text = try Self.text(file)
            for match in text.matches(of: /(?m)^(?:# )?- ([a-z0-9.\/-]+)$/) {
                let place = URL(filePath: "/\(folder)/\(match.1)").standardized.path.dropFirst()
                let target = place.hasSuffix(".yaml") ? String(place) : "\(place)/kustomization.yaml"
                #expect(all.contains(target), "\(file) names \(match.1)")
                named.insert(target)
            }
        }
        let roots = ["local", "production", "private-registry"].map { "overlays/\($0)/kustomization.yaml" }
        for file in all where !file.hasPrefix("examples/") && !roots.contains(file) {
            #expect(named.contains(file), "\(file) is in no kustomization")
        }
    }

    @Test(.enabled(if: hasKubectl))
    func `Builder and Deployer have the registry's Secret as a file, and Pods pull with it`() async throws {
        let built = try await Support.command("kubectl", ["kustomize", "\(Self.directory)/overlays/private-registry"])
        let parts = built.output.components(separatedBy: "\n---\n").filter { $0.contains("kind: Deployment") }
        #expect(parts.count == 4)
        for part in parts {
            #expect(part.contains("imagePullSecrets:\n      - name: kiln-registry\n"))
            let speaksToIt = part.contains("name: kiln-builder\n") || part.contains("name: kiln-deployer\n")
            for line in [
                "value: /run/secrets/registry/config.json", "mountPath: /run/secrets/registry\n",
                "secretName: kiln-registry\n", "value: /etc/kiln/registry/ca.crt", "name: kiln-registry-ca\n",
                "value: registry.example.com/acme/functions\n",
            ] {
                #expect(part.contains(line) == speaksToIt, "\(line)")
            }
            #expect(!part.contains("KILN_REGISTRY_PLAIN_HTTP"))
            #expect(part.contains("KILN_PULL_SECRET") == part.contains("name: kiln-deployer\n"))
        }
        // Inside the cluster there is no TLS.
        let local = try await Support.command("kubectl", ["kustomize", "\(Self.directory)/overlays/local"])
        #expect(local.output.matches(of: /KILN_REGISTRY_PLAIN_HTTP\n *value: "true"/).count == 2)
    }

    /// What the base makes with a component.
    private static func built(with component: String) async throws -> String {
        try await withTemporaryDirectory { directory in
            for folder in ["base", "components"] {
                try FileManager.default.copyItem(
                    atPath: "\(Self.directory)/\(folder)", toPath: "\(directory)/\(folder)")
            }
            let overlay = directory + "/overlay"
            try FileManager.default.createDirectory(atPath: overlay, withIntermediateDirectories: true)
            try Data("resources: [../base]\ncomponents: [../components/\(component)]\n".utf8)
                .write(to: URL(filePath: overlay + "/kustomization.yaml"))
            let built = try await Support.command("kubectl", ["kustomize", overlay])
            #expect(built.succeeded, "\(built.errors)")
            return built.output
        }
    }

    /// Expects that Kubernetes describes all of `objects`.
    private static func expectKnown(_ objects: String) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/built.yaml"
            try Data(objects.utf8).write(to: URL(filePath: path))
            #expect(try await kubernetesFaults(inFile: path) == [])
        }
    }

    @Test(.enabled(if: hasKubectl))
    func `with the component for IPv6 nothing listens on IPv4 alone`() async throws {
        let built = try await Self.built(with: "ipv6")
        #expect(!built.contains(/value: "?0\.0\.0\.0:/))
        #expect(built.matches(of: /value: '?"?\[::\]:[0-9]+/).count == 4)
        #expect(built.contains("value: tcp:[::]:8000"))
    }

    @Test(.enabled(if: hasKubectl))
    func `with the component for TLS the Routers have its Secret, are probed over it, and are called at 443`()
        async throws
    {
        let built = try await Self.built(with: "router-tls")
        let objects = built.components(separatedBy: "\n---\n")
        let router = try #require(
            objects.first { $0.contains("kind: Deployment") && $0.contains("\n  name: kiln-router\n") })
        for line in [
            "name: KILN_TLS_CERTIFICATE\n          value: /run/secrets/tls/tls.crt\n",
            "name: KILN_TLS_KEY\n          value: /run/secrets/tls/tls.key\n",
            "mountPath: /run/secrets/tls\n          name: tls\n          readOnly: true\n",
            "name: tls\n        secret:\n          defaultMode: 288\n          secretName: kiln-router-tls",
        ] {
            #expect(router.contains(line), "\(line) is not in \(router)")
        }
        #expect(router.components(separatedBy: "scheme: HTTPS\n").count == 3)
        let service = try #require(
            objects.first { $0.contains("kind: Service\n") && $0.contains("\n  name: kiln-router\n") })
        #expect(
            service.contains("- name: https\n    port: 443\n    targetPort: http\n")
                && !service.contains("port: 80\n"))
        // No other role is given it.
        #expect(objects.filter { $0.contains("kiln-router-tls") }.count == 1)
        try await Self.expectKnown(built)
    }

    @Test(.enabled(if: hasKubectl), arguments: ["local", "production", "private-registry"])
    func `what an overlay makes is what Kubernetes describes`(overlay: String) async throws {
        let built = try await Support.command("kubectl", ["kustomize", "\(Self.directory)/overlays/\(overlay)"])
        #expect(built.succeeded, "\(built.errors)")
        #expect(!built.output.contains("image: kiln\n") && !built.output.contains("image: kiln-base\n"))
        try await Self.expectKnown(built.output)
    }
}
