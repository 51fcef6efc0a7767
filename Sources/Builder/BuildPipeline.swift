import Contract
import Logging
import OCI

/// From a source to a deploy: check, resolve, bake, push, hand over.
///
/// The order follows what each step needs. The ticket is asked for while the body still arrives. Then one HEAD finds
/// out whether an image of the same input exists, and if so, nothing is checked, baked or pushed. If not, upload
/// sessions open while the check runs, so that the push itself is two parallel uploads and the manifest. Types are
/// checked while the image is baked and its content uploaded; only with right types does it get a manifest. Whatever
/// fails or is cancelled, sessions are given back and no tag has moved: the tag comes last.
package struct BuildPipeline: Sendable {
    let registry: Registry
    /// What functions are put on.
    package let base: BaseImage
    let judge: SourceJudge
    private let dependencies: Dependencies
    let deployer: any DeployerClient
    private let logger: Logger
    let metrics: BuilderMetrics
    let attestor: Attestor?
    private let baked = BakedNames()
    private let locks: LiveLocks
    /// Where what is too large for memory is while it is built; `nil` keeps it in memory.
    let spool: SpoolDirectory?

    /// A pipeline that puts functions on `base`. `patience` is the longest that a deploy waits for a checker that is
    /// being started. `attestor` puts what vouches for images beside them.
    package init(
        registry: Registry, base: BaseImage, checker: any SourceChecker, dependencies: Dependencies,
        deployer: any DeployerClient, attestor: Attestor? = nil, patience: Duration = .seconds(20), logger: Logger,
        metrics: BuilderMetrics = BuilderMetrics(), spool: SpoolDirectory? = nil
    ) {
        self.spool = spool
        self.attestor = attestor
        self.registry = registry
        self.base = base
        locks = LiveLocks(registry)
        self.dependencies = dependencies
        judge = SourceJudge(checker: checker, deployer: deployer, patience: patience)
        self.deployer = deployer
        self.logger = logger
        self.metrics = metrics
    }

    /// What came of a build.
    package enum Build: Sendable {
        /// The image is in the registry, and this is what to tell the Deployer, and the developer. What vouches for it may still be on its way.
        case ready(DeployRequest, Remarks, Attestation?)
        /// What a dry run found.
        case dryRun(DryRunAnswer)
        /// A rebake of what is on the base image already.
        case unchanged(Revision, timings: [String: Double])
    }

    /// What a developer should know of a build that went well.
    package struct Remarks: Sendable, Hashable {
        /// Whether types have been checked.
        package var typesChecked = true
        /// Sentences.
        package var warnings: [String] = []

        /// What is baked of what the code imports.
        package var dependencies: [String] = []

        /// Of `verdict`, `warnings` about the source itself, and what is baked beside it.
        init(_ verdict: TypeVerdict, warnings: [String], dependencies: [String]) {
            self.dependencies = dependencies
            typesChecked = verdict.isChecked
            self.warnings = warnings
            switch verdict {
            case .right(let note): self.warnings += [note].compactMap(\.self)
            case .notWanted: break
            case .unknown(let reason):
                self.warnings += [
                    "The types were not checked: \(reason) The function was deployed all the same; deploy it again to have "
                        + "them checked."
                ]
            }
        }
    }

    /// Makes the image that `request` asks for; `readSource` reads the request's body. Versions are kept as the lock `kept` says,
    /// or else that of the live revision. Throws ``Contract/Problem``, ``BuilderError`` or `OCIError`.
    package func build(
        _ request: BuildRequest, requestID: String, language: SourceLanguage = .unstated, keeping kept: DenoLock? = nil,
        readSource: () async throws -> FunctionSource
    ) async throws -> Build {
        let timings = PhaseTimings(metrics)
        let deployer = deployer
        async let asked = timings.measure("ticket") {
            try await deployer.ticket(for: request.name, requestID: requestID)
        }
        let source = try await timings.measure("body") { try await readSource() }
        var plan = try BuildPlan(
            base: base.digest, source, language: language, typeChecking: request.typeChecking)
        let ticket = try await asked
        // A ticket of which nothing comes would hold back garbage collection for a while.
        var isHandedOver = false
        defer {
            if !isHandedOver { Task { await deployer.giveUp(ticket, of: request.name, requestID: requestID) } }
        }

        let lock = try await lockSource(for: source, ticket, request, kept)
        if case .kept(let kept) = lock { plan = try plan.keeping(kept.digest()) }
        let work = Work(
            plan: plan, lock: lock, ticket: ticket, requestID: requestID, freshness: request.freshness, timings: timings
        )
        if request.mode == .dryRun {
            let module = try await check(work)
            let ground = try await ground(for: module, work)
            let image = try await bake(plan, module, try await caches(of: module, work), on: ground)
            let verdict = try await checkTypes(module, ground, work)
            let remarks = Remarks(
                verdict, warnings: module.warnings, dependencies: try DependencyImage.names(in: image.annotations))
            return .dryRun(
                DryRunAnswer(
                    name: request.name, handler: module.form, digest: image.digest, remarks, timings: timings.all()))
        }
        let (digest, remarks, attestation) = try await image(work)
        let deploy = DeployRequest(
            ticket: ticket.number,
            image: PinnedImage(registry: registry.endpoint.name, repository: ticket.repository, digest: digest),
            spec: request.spec, wait: request.mode == .untilServing, timings: timings.all(),
            force: request.force ? true : nil, traffic: request.traffic,
            sticky: request.sticky, stepBack: request.stepBack)
        logger.info(
            "built",
            metadata: [
                "requestId": "\(requestID)", "function": "\(request.name)", "ticket": "\(ticket.number)",
                "digest": "\(digest)", "ms": "\(deploy.timings["build"] ?? 0)",
            ])
        isHandedOver = true
        return .ready(deploy, remarks, attestation)
    }

    /// What the versions of the imports of `source` are taken from.
    private func lockSource(
        for source: FunctionSource, _ ticket: Ticket, _ request: BuildRequest, _ kept: DenoLock?
    ) async throws -> LockSource {
        if let own = try LockSource.file(of: source) { return own }
        if let kept { return .kept(kept) }
        guard request.freshness != .updated, let live = ticket.live, ExternalImport.mayBe(in: source) else {
            return .none
        }
        return try await locks.lock(of: live).map { .kept($0) } ?? .none
    }

    /// Hands a finished build to the Deployer.
    package func deploy(
        _ request: DeployRequest, of name: FunctionName, requestID: String
    ) async throws -> DeployReply {
        try await deployer.deploy(request, of: name, requestID: requestID)
    }

    /// A build on its way.
    private struct Work: Sendable {
        let plan: BuildPlan
        let lock: LockSource
        let ticket: Ticket
        let requestID: String
        let freshness: Dependencies.Freshness
        let timings: PhaseTimings
    }

    /// The digest of the plan's image in the ticket's repository, where it is now, and what is to be told.
    private func image(_ work: Work) async throws -> (Digest, Remarks, Attestation?) {
        let (plan, timings, repository) = (work.plan, work.timings, work.ticket.repository)
        for tag in work.freshness == .updated ? [] : plan.tags {
            // An image without what vouches for it, left by a Builder that ended or had no key, is made again: it comes out the same.
            let attested = attestor?.tag(for: tag) ?? tag
            let known = try await timings.measure("lookup") {
                try await registry.descriptor(repository, .tag(attested))
            }
            if let known {
                let names =
                    ExternalImport.mayBe(in: plan.source)
                    ? try await baked.names(in: known.digest) {
                        try DependencyImage.names(
                            in: try await registry.image(repository, .digest(known.digest)).manifest.annotations)
                    } : []
                let verdict: TypeVerdict = tag == plan.tag ? .right(note: nil) : .notWanted
                let remarks = await Remarks(verdict, warnings: knownWarnings(work), dependencies: names)
                return (known.digest, remarks, nil)
            }
        }
        return try await registry.withUploadSessions(repository, count: 2) { sessions in
            let module = try await check(work)
            let ground = try await ground(for: module, work)
            async let judged = checkTypes(module, ground, work)
            let caches = try await caches(of: module, work)
            let image = try await timings.measure("layer") { try await bake(plan, module, caches, on: ground) }
            try await timings.measure("push") {
                if let ground, !ground.newTags.isEmpty {
                    try await registry.push(
                        try ground.all, to: repository, tags: ground.newTags, base: base.pinned.repository)
                }
                try await registry.pushContent(
                    of: image, to: repository, base: base.pinned.repository, sessions: sessions)
            }
            let verdict = try await judged
            let tags = try Self.tags(work, ground, verdict)
            try await timings.measure("manifest") {
                try await registry.push(image, to: repository, tags: tags, base: base.pinned.repository)
            }
            let names = try DependencyImage.names(in: image.annotations)
            baked.keep(names, of: image.digest)
            locks.keep(ground?.lock, of: image.digest)
            let remarks = Remarks(verdict, warnings: module.warnings, dependencies: names)
            return (image.digest, remarks, try await attest(image, tags, work))
        }
    }

    /// Has what vouches for `image` put beside it: while it is rolled out, but for what must be there before.
    private func attest(_ image: MultiPlatformImage, _ tags: [String], _ work: Work) async throws -> Attestation? {
        guard let attestor else { return nil }
        let repository = work.ticket.repository
        let attested = tags.map(attestor.tag)
        if work.freshness == .updated {
            // The tag may be on the image with the old imports: the deploy must not end well before it has moved.
            try await work.timings.measure("attest") {
                try await attestor.settle(image, in: repository, tags: attested)
            }
            return nil
        }
        if work.ticket.signatureDemanded == true {
            try await work.timings.measure("sign") { try await attestor.sign(image.digest, in: repository, .written) }
        }
        return Attestation {
            try await attestor.write(image, in: repository)
        } rest: {
            try await Task.sleep(for: SigningCare.pause)
            try await attestor.settle(image, in: repository, tags: attested)
        } failed: { [logger] error in
            // The next deploy of the same source finds no tag, and does it again.
            logger.warning(
                "the image could not be attested to",
                metadata: ["image": "\(repository)@\(image.digest)", "error": "\(error)"])
        }
    }

    /// The tags that find an image: by what it was made from, and by what it will be made from when it is live.
    private static func tags(
        _ work: Work, _ ground: DependencyImage?, _ verdict: TypeVerdict
    ) throws(OCIError) -> [String] {
        let settled = try work.plan.keeping(work.lock.isFrozen ? nil : ground?.lock.digest())
        let tags = [settled, work.plan].map { verdict.isChecked ? $0.tag : $0.uncheckedTag }
        return tags[0] == tags[1] ? [tags[0]] : tags
    }

    /// What there is to be said again of the configuration in a source that was built before; nothing when no checker can be asked.
    private func knownWarnings(_ work: Work) async -> [String] {
        guard case .files(let tree) = work.plan.source, tree.hasConfiguration else { return [] }
        return await (try? check(work))?.warnings ?? []
    }

    private func check(_ work: Work) async throws -> CheckedModule {
        try await work.timings.measure("check") {
            try await judge.module(of: work.plan, work.ticket, requestID: work.requestID)
        }
    }

    private func checkTypes(
        _ module: CheckedModule, _ ground: DependencyImage?, _ work: Work
    ) async throws -> TypeVerdict {
        guard work.plan.typeChecking == .wanted else { return .notWanted }
        let packages = ground.map { dependencies.types(of: $0, repository: work.ticket.repository) }
        return try await work.timings.measure("types") {
            try await judge.types(of: work.plan, module, with: packages, work.ticket, requestID: work.requestID)
        }
    }

    private func caches(of module: CheckedModule, _ work: Work) async throws -> CodeCaches {
        guard module.isCompiledAhead else { return .none }
        return try await work.timings.measure("compile") {
            try await judge.caches(of: module, work.ticket, requestID: work.requestID)
        }
    }

    /// What to put the code on when it imports modules from elsewhere; `nil` for the base image.
    private func ground(for module: CheckedModule, _ work: Work) async throws -> DependencyImage? {
        let isForTypes = work.plan.typeChecking == .wanted && !module.imports.isEmpty
        guard module.needsImports || isForTypes else { return nil }
        guard let endpoint = work.ticket.checker else {
            throw BuilderError(.checkerUnavailable, "No checker runs now; it is being started.")
        }
        return try await work.timings.measure("dependencies") {
            try await dependencies.image(
                of: module.imports, file: work.plan.file, on: base, repository: work.ticket.repository,
                checker: endpoint, lock: work.lock, freshness: work.freshness)
        }
    }

    /// The image, for the base image's other platforms too. Only what is compiled is for one kind of processor: without that, they have the same
    /// layer of code.
    private func bake(
        _ plan: BuildPlan, _ module: CheckedModule, _ caches: CodeCaches, on ground: DependencyImage?
    ) async throws -> MultiPlatformImage {
        // What is imported for its types alone is not needed any more.
        let tag = try ground.map { ground throws(OCIError) in
            DependencyImage.tag(module.imports, lock: try ground.lock.digest())
        }
        let ground = module.needsImports ? ground : nil
        func image(_ own: OCI.Image, _ below: OCI.Image?, _ layer: Layer) throws -> OCI.Image {
            var builder = ImageBuilder(
                on: .init(below ?? own, name: base.name), steps: [.init(layer, createdBy: "kiln: code")])
            builder.execution = plan.execution(module, on: own.config.config ?? BaseRecipe.execution)
            builder.annotations = try plan.annotations(module, deno: BaseImage.deno(in: own))
            builder.annotations[DependencyImage.importsAnnotation] = tag
            builder.annotations["org.opencontainers.image.base.digest"] = base.digest.description
            if let ground { builder.annotations.merge(try ground.annotations) { $1 } }
            return try builder.build()
        }
        let layer = try await Layer.make(plan.layer(module, caches), spool: spool)
        var images = [try image(base.image, ground?.image, layer)]
        for (index, other) in base.others.enumerated() {
            let kept = caches.elsewhere(isSameDeno: other.isSameDeno)
            let layer = kept == caches ? layer : try await Layer.make(plan.layer(module, kept), spool: spool)
            images.append(try image(other.image, ground?.others[index], layer))
        }
        return try MultiPlatformImage(images)
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
    /// Whether the types have been checked.
    package var typesChecked: Bool
    /// What the developer should know beside.
    package var warnings: [String]?
    /// What would be baked of what the code imports; see ``Contract/DeployAnswer/dependencies``.
    package var dependencies: [String]?
    /// Always true.
    package var dryRun = true

    /// What a dry run of `name` found.
    package init(
        name: FunctionName, handler: HandlerForm, digest: Digest, _ remarks: BuildPipeline.Remarks,
        timings: [String: Double]
    ) {
        self.name = name
        self.handler = handler
        self.digest = digest
        self.timings = timings
        typesChecked = remarks.typesChecked
        warnings = remarks.warnings.isEmpty ? nil : remarks.warnings
        dependencies = remarks.dependencies.isEmpty ? nil : remarks.dependencies
    }
}
