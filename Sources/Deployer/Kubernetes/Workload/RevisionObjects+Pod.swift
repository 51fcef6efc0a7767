import Contract
import Kubernetes

extension RevisionObjects {
    /// The Pods of `revision`: what Pod Security `restricted` demands, and more.
    ///
    /// They are ready when they accept connections, as instances on one machine are. There is no liveness probe: a process
    /// that ends is started again, and one that computes is not dead.
    static func template(_ revision: Revision, _ selector: [String: String], _ settings: WorkloadSettings)
        -> PodTemplate
    {
        let container = Container(
            name: Self.container, image: image(revision.image, settings),
            ports: [.init(name: portName, containerPort: port)], env: environment(revision.spec, settings),
            resources: resources(revision.spec, settings),
            readinessProbe: Probe(
                tcpSocket: .init(port: portName), periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 3),
            securityContext: ContainerSecurity(
                allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: .init(drop: ["ALL"])),
            volumeMounts: [.init(name: "tmp", mountPath: "/tmp")])
        let temporary = min(settings.temporaryBytes, revision.spec.memoryBytes / 2)
        return PodTemplate(
            metadata: ObjectMeta(labels: labels(revision.id)),
            spec: PodSpec(
                containers: [container],
                volumes: [Volume(name: "tmp", emptyDir: .init(medium: "Memory", sizeLimit: String(temporary)))],
                securityContext: PodSecurity(
                    runAsNonRoot: true, runAsUser: user, runAsGroup: user, seccompProfile: .init(type: "RuntimeDefault")
                ),
                automountServiceAccountToken: false, enableServiceLinks: false,
                terminationGracePeriodSeconds: settings.graceSeconds,
                imagePullSecrets: settings.pullSecrets.isEmpty
                    ? nil : settings.pullSecrets.map { LocalReference(name: $0) },
                topologySpreadConstraints: [
                    TopologySpread(
                        maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "ScheduleAnyway",
                        labelSelector: LabelSelector(matchLabels: selector))
                ]))
    }

    static func image(_ image: PinnedImage, _ settings: WorkloadSettings) -> String {
        PinnedImage(
            registry: settings.registry ?? image.registry, repository: image.repository, digest: image.digest
        ).description
    }

    /// Sorted by name, so that it does not change by itself. A secret counts more than a variable of its name, as on one machine.
    static func environment(_ spec: FunctionSpec, _ settings: WorkloadSettings) -> [Container.Variable] {
        var variables = spec.environment.mapValues { Container.Variable(name: "", value: $0) }
        for secret in spec.secrets {
            let source = Container.Source(secretKeyRef: .init(name: settings.secrets, key: secret))
            variables[secret] = Container.Variable(name: "", valueFrom: source)
        }
        variables["DENO_V8_FLAGS"] = Container.Variable(
            name: "", value: Sandbox.heapFlag(memoryBytes: spec.memoryBytes))
        if settings.callsIPv6 {
            variables["DENO_SERVE_ADDRESS"] = Container.Variable(name: "", value: "tcp:[::]:\(port)")
        }
        return variables.sorted { $0.key < $1.key }.map { name, variable in
            Container.Variable(name: name, value: variable.value, valueFrom: variable.valueFrom)
        }
    }

    static func resources(_ spec: FunctionSpec, _ settings: WorkloadSettings) -> Container.Resources {
        let request = max(10, Int64(Double(spec.cpuMillicores) * settings.cpuRequestShare))
        return Container.Resources(
            requests: ["cpu": millicores(min(request, spec.cpuMillicores)), "memory": String(spec.memoryBytes)],
            limits: ["cpu": millicores(spec.cpuMillicores), "memory": String(spec.memoryBytes)])
    }

    static func millicores(_ count: Int64) -> String { "\(count)m" }
}
