import Builder
import Contract
import FoundationEssentials
import Logging
import OCI
import Service
import Support
import Testing
import Transfer

/// Deploys through the Builder's HTTP interface, with a real registry and the real checker.
@Suite(.serialized) struct PipelineTests {
    static let hello = "export default (request: Request) => new Response('hello ' + request.url)"

    @Test func `a source becomes an image with its code on the base, and the Deployer is told`() async throws {
        try await withBuilder { builder in
            let answer = try await builder.post(
                "name=hello&memory=128Mi&env=A=1", Self.hello, headers: ["X-Request-Id": "abc"])
            #expect(answer.status == 201, "\(answer.text)")
            let deploy = try #require(builder.deployer.deploys.first)
            #expect(deploy.ticket == 1)
            #expect(deploy.wait)
            #expect(deploy.spec.memoryBytes == 128 << 20)
            #expect(deploy.spec.environment == ["A": "1"])
            #expect(deploy.image.repository == "kiln/hello")
            #expect(builder.deployer.requestIDs.contains("abc"))
            #expect(answer.headers["X-Request-Id"] == "abc")
            for phase in ["ticket", "body", "lookup", "check", "layer", "push", "build"] {
                #expect(deploy.timings[phase] != nil, "\(phase)")
            }

            let base = try #require(builder.deployer.base)
            #expect(base.repository == "kiln/base")
            let image = try await builder.registry.image("kiln/hello", .digest(deploy.image.digest))
            #expect(image.manifest.layers.count == 3)
            let baseImage = try await builder.registry.image("kiln/base", .digest(base.digest))
            #expect(Array(image.manifest.layers.prefix(2)) == baseImage.manifest.layers)
            #expect(image.manifest.annotations?["org.opencontainers.image.base.digest"] == base.digest.description)
            #expect(image.manifest.annotations?["dev.kiln.handler"] == "request")
            #expect(image.config.config?.command == ["/kiln/bootstrap.js", "request"])
            #expect(image.config.config?.user == "65532:65532")
            let documents = String(decoding: image.manifestBytes + image.configBytes, as: UTF8.self)
            #expect(!documents.contains("hello"))
        }
    }

    @Test
    func `the same source again is found by one lookup and not checked, under another name it has the same digest`()
        async throws
    {
        try await withBuilder { builder in
            _ = try await builder.post("name=first", Self.hello)
            builder.deployer.setChecker(nil)
            let again = try await builder.post("name=first", Self.hello)
            #expect(again.status == 201)
            builder.deployer.setChecker(builder.checker.endpoint)
            _ = try await builder.post("name=second", Self.hello)
            let digests = builder.deployer.deploys.map(\.image.digest)
            #expect(Set(digests).count == 1)
            #expect(builder.deployer.deploys[1].timings["check"] == nil)
            #expect(builder.deployer.deploys[1].timings["push"] == nil)
            _ = try await builder.post("name=first", Self.hello + " ")
            #expect(builder.deployer.deploys.last?.image.digest != digests[0])
        }
    }

    @Test func `two fresh registries and caches give the same digests`() async throws {
        try await withChecker { checker in
            var found: [String] = []
            for _ in 1...2 {
                let images = try await withRegistry { registry in
                    let images = Log()
                    try await withBuilder(
                        recipe: smallRecipe, limits: BuilderAPI.Limits(), registry: registry, checker: checker
                    ) { builder in
                        _ = try await builder.post("name=hello", Self.hello)
                        images.add(try #require(builder.deployer.base).digest.description)
                        images.add(try #require(builder.deployer.deploys.first).image.digest.description)
                    }
                    return images.lines
                }
                found.append(images.joined(separator: " "))
            }
            #expect(Set(found).count == 1)
        }
    }

    @Test func `the layer holds what runs and what was posted, for bsdtar too`() async throws {
        try await withBuilder { builder in
            _ = try await builder.post("name=hello", Self.hello)
            let digest = try #require(builder.deployer.deploys.first).image.digest
            let image = try await builder.registry.image("kiln/hello", .digest(digest))
            let layer = try await builder.registry.blob("kiln/hello", try #require(image.manifest.layers.last))
            let listing = try await command("tar", ["-tvzf", "-", "--numeric-owner"], input: layer)
            let names = listing.output.split(separator: "\n").map {
                $0.split(separator: " ").last.map(String.init) ?? ""
            }
            #expect(names == ["app/", "app/main.js", "app/source/", "app/source/main.ts"])
            let posted = try await command("tar", ["-xzOf", "-", "app/source/main.ts"], input: layer)
            #expect(posted.output == Self.hello)
        }
    }

    @Test func `code that does not check is a 422 with its places, and nothing is pushed or told`() async throws {
        try await withBuilder { builder in
            let answer = try await builder.post("name=hello", "import a from './b.ts';\nexport default () => a")
            #expect(answer.status == 422)
            #expect(answer.headers["Content-Type"] == Problem.mediaType)
            let problem = try JSONDecoder().decode(Problem.self, from: Data(answer.body))
            let first = try #require(problem.diagnostics?.first)
            #expect(
                first.file == "main.ts" && first.line == 1 && first.column == 15 && first.code == "unresolved-import")
            #expect(problem.detail.hasPrefix("main.ts:1:15: Cannot resolve"))
            #expect(builder.deployer.deploys.isEmpty)
            #expect(try await builder.registry.tags("kiln/hello").isEmpty)
        }
    }

    @Test func `wait=false is passed on, and a dry run changes nothing`() async throws {
        try await withBuilder { builder in
            let dry = try await builder.post("name=hello&dry-run=true", Self.hello)
            #expect(dry.status == 200)
            let found = try JSONDecoder().decode(DryRunAnswer.self, from: Data(dry.body))
            #expect(found.dryRun && found.handler == .request)
            #expect(builder.deployer.deploys.isEmpty)
            #expect(try await builder.registry.tags("kiln/hello").isEmpty)
            let answer = try await builder.post("name=hello&wait=false", Self.hello)
            #expect(answer.status == 202)
            #expect(builder.deployer.deploys.first?.wait == false)
            #expect(builder.deployer.deploys.first?.image.digest == found.digest)
        }
    }

    @Test func `requests that cannot be meant are refused with the reason`() async throws {
        var limits = BuilderAPI.Limits()
        limits.sourceBytes = 1000
        try await withBuilder(limits: limits) { builder in
            let cases: [(String, [UInt8], Int)] = [
                ("name=hello", [], 400), ("name=Hello", Array("x".utf8), 400), ("", Array("x".utf8), 400),
                ("name=hello&colour=red", Array("x".utf8), 400),
                ("name=hello", [UInt8](repeating: 32, count: 1001), 413),
                ("name=hello", [0xff, 0xfe], 422),
            ]
            for (query, source, status) in cases {
                let answer = try await builder.post(query, source)
                #expect(answer.status == status, "\(query): \(answer.text)")
            }
            let tooLarge = try await builder.post("name=hello", [UInt8](repeating: 32, count: 1001))
            #expect(tooLarge.text.contains("1000"))
            let chunked = ClientRequest(
                .post, "http://builder/func?name=hello", socket: builder.socket,
                headers: ["Authorization": "Bearer \(FakeDeployer.token)"],
                body: .stream(
                    AsyncStream { stream in
                        for _ in 0..<11 { stream.yield([UInt8](repeating: 32, count: 100)) }
                        stream.finish()
                    }))
            #expect(try await builder.client.collect(chunked).status == 413)
            let form = try await builder.post(
                "name=hello", "x", headers: ["Content-Type": "multipart/form-data; boundary=x"])
            #expect(form.status == 400)
            let method = try await builder.call(.get, "/func?name=hello")
            #expect(method.status == 405)
            let other = try await builder.call(.get, "/other")
            #expect(other.status == 404)
            #expect(builder.deployer.deploys.isEmpty)
        }
    }

    @Test func `without a checker a deploy is told to come back`() async throws {
        try await withBuilder { builder in
            builder.deployer.setChecker(nil)
            let none = try await builder.post("name=hello", Self.hello)
            #expect(none.status == 503)
            #expect(none.headers["Retry-After"] != nil)
            builder.deployer.setChecker(Endpoint(id: "gone", address: .unix(path: "/nowhere/http.sock")))
            let gone = try await builder.post("name=hello", Self.hello)
            #expect(gone.status == 503)
        }
    }

    @Test func `a registry or a Deployer that does not answer is said to be the one`() async throws {
        try await withBuilder { builder in
            let base = try #require(builder.deployer.base)
            let image = try await builder.registry.image(base.repository, .digest(base.digest))
            let nowhere = "127.0.0.1:\(try freePort())"
            let registry = Registry(
                RegistryEndpoint(name: nowhere, url: "http://" + nowhere), client: builder.client, retry: .never)
            let request = try BuildRequest(query: [("name", "hello")], limits: SpecLimits())
            func deploy(_ registry: Registry, _ socket: String) async throws {
                let pipeline = BuildPipeline(
                    registry: registry, base: BaseImage(image: image, registry: registry),
                    checker: CheckerConnection(client: builder.client),
                    dependencies: Dependencies(
                        registry: registry, settings: DependencySettings(), directory: "/nowhere",
                        checker: builder.client, fetcher: builder.client),
                    deployer: DeployerConnection(
                        client: builder.client, address: .unix(path: socket), token: FakeDeployer.token),
                    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
                _ = try await pipeline.build(request, requestID: "1") { .module(Array(Self.hello.utf8)) }
            }
            await #expect(throws: OCIError.self) {
                try await deploy(registry, builder.socket.replacing("builder.sock", with: "deployer.sock"))
            }
            await #expect(throws: BuilderError.self) { try await deploy(builder.registry, "/nowhere/deployer.sock") }
        }
    }

    @Test func `what the Deployer refuses is passed on as it is`() async throws {
        try await withBuilder { builder in
            builder.deployer.refuse(
                with: Problem("crashed", 422, "The function does not start", "exit code 1", logs: ["boom"]))
            let answer = try await builder.post("name=hello", Self.hello)
            #expect(answer.status == 422)
            let problem = try JSONDecoder().decode(Problem.self, from: Data(answer.body))
            #expect(problem.type == "urn:kiln:crashed" && problem.logs == ["boom"])
        }
    }

    @Test func `many deploys at the same time all arrive`() async throws {
        try await withBuilder { builder in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<24 {
                    group.addTask { try await builder.post("name=f\(index % 6)", "\(Self.hello)\n// \(index)").status }
                }
                for try await status in group { #expect(status == 201) }
            }
            #expect(builder.deployer.deploys.count == 24)
            #expect(builder.deployer.tickets == 24)
        }
    }

    @Test func `more builds than allowed are told to come back`() async throws {
        var limits = BuilderAPI.Limits()
        limits.builds = 1
        try await withBuilder(limits: limits) { builder in
            let slow = ClientRequest(
                .post, "http://builder/func?name=slow", socket: builder.socket,
                headers: ["Authorization": "Bearer \(FakeDeployer.token)"],
                body: .stream(
                    AsyncStream { stream in
                        stream.yield(Array(Self.hello.utf8))
                        Task {
                            try await Task.sleep(for: .seconds(1))
                            stream.finish()
                        }
                    }))
            async let first = builder.client.collect(slow)
            try await waitUntil("the first build runs") { builder.deployer.tickets == 1 }
            let second = try await builder.post("name=quick", Self.hello)
            #expect(second.status == 503)
            #expect(second.headers["Retry-After"] == "1")
            #expect(try await first.status == 201)
            let third = try await builder.post("name=quick", Self.hello)
            #expect(third.status == 201)
        }
    }

    @Test func `before the base image is there, deploys are told to come back`() async throws {
        let api = BuilderAPI(
            limits: BuilderAPI.Limits(), logger: .init(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await withRoot { root in
            let service = HTTPService(token: "t", logger: .init(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
                try await api.handle($0)
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await service.run(on: .unix(path: root + "/builder.sock")) }
                try await waitUntil("the role listens") {
                    FileManager.default.fileExists(atPath: root + "/builder.sock")
                }
                let client = try HTTPClient()
                for (method, target, status) in [
                    (Transfer.Method.get, "/healthz", 200), (.get, "/readyz", 503), (.post, "/func?name=a", 503),
                ] {
                    let answer = try await client.collect(
                        ClientRequest(
                            method, "http://b\(target)", socket: root + "/builder.sock",
                            headers: ["Authorization": "Bearer t"]))
                    #expect(answer.status == status)
                }
                group.cancelAll()
            }
        }
    }
}
