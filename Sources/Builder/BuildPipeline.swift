import Contract
import Logging
import OCI

/// From a source to a deploy: check, bake, push, hand over.
///
/// The order follows what each step needs. The ticket is asked for while the body still arrives. Then one HEAD finds
/// out whether an image of the same input exists, and if so, nothing is checked, baked or pushed. If not, upload
/// sessions open while the check runs, so that the push itself is two parallel uploads and the manifest. Whatever fails
/// or is cancelled, sessions are given back and no tag has moved: the tag comes last.
package struct BuildPipeline: Sendable {
    private let registry: Registry
    private let base: BaseImage
    private let checker: any SourceChecker
    private let deployer: any DeployerClient
    private let logger: Logger
    private let metrics: BuilderMetrics

    /// A pipeline that puts functions on `base`.
    package init(
        registry: Registry, base: BaseImage, checker: any SourceChecker, deployer: any DeployerClient, logger: Logger,
        metrics: BuilderMetrics = BuilderMetrics()
    ) {
        self.registry = registry
        self.base = base
        self.checker = checker
        self.deployer = deployer
        self.logger = logger
        self.metrics = metrics
    }

    /// What came of a build.
    package enum Build: Sendable, Hashable {
        /// The image is in the registry, and this is what to tell the Deployer.
        case ready(DeployRequest)
        /// What a dry run found.
        case dryRun(DryRunAnswer)
    }

    /// Makes the image that `request` asks for; `readSource` reads the request's body. Throws ``Contract/Problem``,
    /// ``BuilderError`` or `OCIError`.
    package func build(
        _ request: BuildRequest, requestID: String, readSource: () async throws -> [UInt8]
    ) async throws -> Build {
        let timings = PhaseTimings(metrics)
        let deployer = deployer
        async let asked = timings.measure("ticket") {
            try await deployer.ticket(for: request.name, requestID: requestID)
        }
        let source = try await timings.measure("body") { try await readSource() }
        let plan = BuildPlan(base: base.image.digest, source: source)
        let ticket = try await asked

        if request.mode == .dryRun {
            let module = try await check(plan, ticket, timings)
            let image = try bake(plan, module)
            return .dryRun(
                DryRunAnswer(name: request.name, handler: module.form, digest: image.digest, timings: timings.all()))
        }
        let digest = try await image(of: plan, under: ticket, timings)
        let deploy = DeployRequest(
            ticket: ticket.number,
            image: PinnedImage(registry: registry.endpoint.name, repository: ticket.repository, digest: digest),
            spec: request.spec, wait: request.mode == .untilServing, timings: timings.all())
        logger.info(
            "built",
            metadata: [
                "requestId": "\(requestID)", "function": "\(request.name)", "ticket": "\(ticket.number)",
                "digest": "\(digest)", "ms": "\(deploy.timings["build"] ?? 0)",
            ])
        return .ready(deploy)
    }

    /// Hands a finished build to the Deployer.
    package func deploy(
        _ request: DeployRequest, of name: FunctionName, requestID: String
    ) async throws -> DeployReply {
        try await deployer.deploy(request, of: name, requestID: requestID)
    }

    /// The digest of the plan's image in the ticket's repository, where it is now.
    private func image(of plan: BuildPlan, under ticket: Ticket, _ timings: PhaseTimings) async throws -> Digest {
        let known = try await timings.measure("lookup") {
            try await registry.descriptor(ticket.repository, .tag(plan.tag))
        }
        if let known { return known.digest }
        return try await registry.withUploadSessions(ticket.repository, count: 2) { sessions in
            let module = try await check(plan, ticket, timings)
            let image = try await timings.measure("layer") { try bake(plan, module) }
            try await timings.measure("push") {
                try await registry.push(
                    image, to: ticket.repository, tags: [plan.tag], base: BaseImage.repository, sessions: sessions)
            }
            return image.digest
        }
    }

    private func check(_ plan: BuildPlan, _ ticket: Ticket, _ timings: PhaseTimings) async throws -> CheckedModule {
        guard let endpoint = ticket.checker else {
            throw BuilderError(.checkerUnavailable, "No checker runs now; it is being started.")
        }
        let result = try await timings.measure("check") {
            try await checker.check(plan.source, file: BuildPlan.sourceFile, at: endpoint)
        }
        switch result {
        case .passed(let module): return module
        case .failed(let diagnostics):
            throw Problem(
                "check-failed", 422, "The code does not check", Self.summary(of: diagnostics), diagnostics: diagnostics)
        }
    }

    private func bake(_ plan: BuildPlan, _ module: CheckedModule) throws(OCIError) -> OCI.Image {
        let layer = try Layer(plan.layer(module))
        var builder = ImageBuilder(
            on: .init(base.image, name: "\(BaseImage.repository):\(BaseRecipe.denoVersion)"),
            steps: [.init(layer, createdBy: "kiln: code")])
        builder.execution = plan.execution(module)
        builder.annotations = plan.annotations(module)
        return try builder.build()
    }

    /// The first diagnostic as a sentence, and how many there are beside it.
    static func summary(of diagnostics: [Problem.Diagnostic]) -> String {
        guard let first = diagnostics.first else { return "The code does not check." }
        let place = [first.file, first.line.map(String.init), first.column.map(String.init)].compactMap(\.self)
        let others = diagnostics.count == 1 ? "" : " (and \(diagnostics.count - 1) more)"
        return "\(place.joined(separator: ":")): \(first.message)\(others)"
    }
}

/// The answer to a dry run.
package struct DryRunAnswer: Hashable, Sendable, Codable {
    /// The function.
    package var name: FunctionName
    /// How the module handles requests.
    package var handler: HandlerForm
    /// The digest of the image that the deploy would make or find.
    package var digest: Digest
    /// Milliseconds by phase.
    package var timings: [String: Double]
    /// Always true.
    package var dryRun = true

    /// What a dry run of `name` found.
    package init(name: FunctionName, handler: HandlerForm, digest: Digest, timings: [String: Double]) {
        self.name = name
        self.handler = handler
        self.digest = digest
        self.timings = timings
    }
}
