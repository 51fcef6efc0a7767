import Contract
import FoundationEssentials
import Support
import Testing

@testable import Deployer
@testable import Kubernetes

@Suite struct CustomResourceTests {
    static let image = "registry:5000/kiln/hello@sha256:" + String(repeating: "a", count: 64)

    static func withDefinitions(_ body: @Sendable (APIClient) async throws -> Void) async throws {
        try await withKubernetes(manifests: ["k8s/base/functions.yaml", "k8s/base/functionrevisions.yaml"]) { server in
            try await body(try server.api())
        }
    }

    static func function(_ name: String = "hello", _ change: (inout FunctionObject) -> Void = { _ in })
        -> FunctionObject
    {
        var object = FunctionObject(
            metadata: ObjectMeta(name: name, namespace: "functions"),
            spec: .init(image: image, configuration: FunctionSpec()))
        change(&object)
        return object
    }

    static func revision(
        _ name: String = "hello-r1", _ change: (inout FunctionRevisionObject.Spec) -> Void = { _ in }
    ) throws -> FunctionRevisionObject {
        var spec = FunctionRevisionObject.Spec(
            function: try FunctionName("hello"), number: 1, image: image, configuration: FunctionSpec(),
            created: Timestamp(milliseconds: 1_700_000_000_123), ticket: 1)
        change(&spec)
        return FunctionRevisionObject(metadata: ObjectMeta(name: name, namespace: "functions"), spec: spec)
    }

    @Test func `what there is to apply is what Kubernetes 1.29 to 1.37 describe`() async throws {
        #expect(try await kubernetesFaults(inFilesOf: "k8s") == [])
    }

    @Test func `a function that says only its image has the platform's defaults`() async throws {
        try await Self.withDefinitions { api in
            struct Short: KubernetesObject {
                struct Spec: Codable, Sendable { var image: String }
                static let resource = FunctionObject.resource
                var metadata = ObjectMeta(name: "hello", namespace: "functions")
                var spec = Spec(image: CustomResourceTests.image)
            }
            _ = try await api.apply(Short())
            let read = try #require(try await api.get(FunctionObject.self, "hello", in: "functions"))
            #expect(read.spec?.configuration == FunctionSpec())
            #expect(read.spec?.image == Self.image)
        }
    }

    @Test func `what a deploy may ask for is accepted and comes back as it was`() async throws {
        try await Self.withDefinitions { api in
            let limits = SpecLimits()
            var largest = FunctionSpec()
            largest.minimumInstances = limits.instances
            largest.maximumInstances = limits.instances
            largest.idleSeconds = FunctionSpec.longestIdle
            largest.cpuMillicores = limits.cpuMillicores
            largest.memoryBytes = limits.memoryBytes
            largest.timeoutSeconds = limits.timeoutSeconds
            largest.concurrency = limits.concurrency
            let ranges = (0..<NetworkPolicy.maximumRanges).map { "203.113.100.\(100 + $0)/32" }.joined(separator: ",")
            largest.network = try NetworkPolicy(ranges)
            largest.environment = ["A": "", "LONG": String(repeating: "x", count: 32_768)]
            largest.secrets = ["KEY", "OTHER_KEY"]
            largest.cors = try CORSPolicy(
                origins: (0..<CORSPolicy.mostOrigins).map { "https://a\($0).example:8443" },
                methods: "GET,M-SEARCH,X_Y",
                headers: (0..<CORSPolicy.mostNames).map { "X-Name-\($0)" }.joined(separator: ","), exposed: "X-A,b_c",
                credentials: true, maxAgeSeconds: CORSPolicy.longestMaxAge)
            var smallest = FunctionSpec()
            smallest.cors = try CORSPolicy(origins: ["*"], exposed: "*", maxAgeSeconds: 0)
            smallest.memoryBytes = limits.minimumMemoryBytes
            smallest.network = .none
            smallest.idleSeconds = 0
            for (number, spec) in [largest, smallest].enumerated() {
                let name = String(repeating: "f", count: FunctionName.maximumLength - number)
                let made = try await api.apply(Self.function(name) { $0.spec?.configuration = spec }).object
                #expect(made.spec?.configuration == spec)
                let revision = try Self.revision("hello-r\(number + 1)") {
                    $0.number = number + 1
                    $0.configuration = spec
                }
                #expect(try await api.create(revision).spec == revision.spec)
            }
        }
    }

    @Test(arguments: [
        ("3hello", "", "DNS-1035"), ("hello.dev", "", "DNS-1035"),
        ("f123456789012345678901234567890123456789f", "", "40 characters"),
        ("hello", "registry/hello:latest", "should match"), ("hello", "hello@sha256:12", "should match"),
    ])
    func `a function is refused for its name or image`(name: String, image: String, sentence: String) async throws {
        try await Self.withDefinitions { api in
            let error = await #expect(throws: APIError.self) {
                try await api.apply(Self.function(name) { if !image.isEmpty { $0.spec?.image = image } })
            }
            #expect(error?.code == .invalid)
            #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
        }
    }

    @Test func `a function is refused for a configuration that makes no sense`() async throws {
        try await Self.withDefinitions { api in
            let changes: [(@Sendable (inout FunctionSpec) -> Void, String)] = [
                (
                    {
                        $0.minimumInstances = 3; $0.maximumInstances = 2
                    }, "min must not exceed max"
                ),
                ({ $0.minimumInstances = 0 }, "spec.configuration.min"), ({ $0.memoryBytes = 1 << 20 }, "memoryBytes"),
                ({ $0.timeoutSeconds = 0 }, "timeoutSeconds"), ({ $0.idleSeconds = -1 }, "idle"),
            ]
            for (change, sentence) in changes {
                let error = await #expect(throws: APIError.self) {
                    try await api.apply(
                        Self.function { object in
                            var spec = FunctionSpec()
                            change(&spec)
                            object.spec?.configuration = spec
                        })
                }
                #expect(error?.code == .invalid)
                #expect(error?.message.contains(sentence) == true, "\(error?.message ?? "")")
            }
        }
    }

    @Test func `a revision is called as its number says and never changes, but its status does`() async throws {
        try await Self.withDefinitions { api in
            let misnamed = try Self.revision("hello-r2")
            #expect(await #expect(throws: APIError.self) { try await api.create(misnamed) }?.code == .invalid)
            let made = try await api.create(try Self.revision())
            for change: @Sendable (inout FunctionRevisionObject.Spec) -> Void in [
                { $0.configuration.environment["A"] = "1" }, { $0.ticket = 2 }, { $0.configuration.idleSeconds = 5 },
                { $0.image = $0.image.replacing("aaa", with: "bbb") },
            ] {
                let changed = try Self.revision("hello-r1", change)
                let error = await #expect(throws: APIError.self) { try await api.apply(changed) }
                #expect(error?.message.contains("immutable") == true, "\(error?.message ?? "")")
            }
            var status = made
            status.status = .init(state: .failed, failure: "exit code 1", attempts: 3)
            let noted = try await api.replace(status, subresource: "status")
            #expect(noted.status?.state == .failed)
            #expect(noted.metadata.generation == 1)
            #expect(try await api.apply(try Self.revision()).object.status?.failure == "exit code 1")
        }
    }

    @Test func `the end of a function is the end of its revisions and of what runs them`() async throws {
        try await Self.withDefinitions { api in
            let function = try await api.apply(Self.function()).object
            var revision = try Self.revision()
            revision.metadata.ownerReferences = [function.reference]
            let made = try await api.create(revision)
            let objects = RevisionObjects(
                try RevisionObjectsTests.revision("hello", 1), owner: made.reference, replicas: 1,
                settings: RevisionObjectsTests.settings)
            _ = try await api.apply(objects.deployment)
            _ = try await api.apply(objects.networkPolicy)
            #expect(try await api.delete(FunctionObject.self, "hello", in: "functions") == .done)
            let deadline = ContinuousClock.now + .seconds(60)
            while .now < deadline {
                let left = try await api.list(Deployment.self, Selection(namespace: "functions")).items.count
                if left == 0 { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(try await api.get(FunctionRevisionObject.self, "hello-r1", in: "functions") == nil)
            #expect(try await api.get(Deployment.self, "hello-r1", in: "functions") == nil)
        }
    }
}
