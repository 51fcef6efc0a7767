/// The Deployer's answer to `POST /internal/functions/NAME/tickets`: the Builder asks when a POST arrives.
package struct Ticket: Hashable, Sendable, Codable {
    /// The place of this deploy in the order of arrival, rising per function. A build goes live only if no higher ticket has.
    package var number: Int
    /// The repository to push to, e.g. `kiln/hello`.
    package var repository: String
    /// Where the checker answers; `nil` when none runs now.
    package var checker: Endpoint?
    /// Whether the image has to be signed before it is handed over; absent is no.
    package var signatureDemanded: Bool?
    /// The image of the live revision, whose versions of imports are kept; `nil` while nothing is live.
    package var live: PinnedImage?

    /// Ticket `number`.
    package init(
        number: Int, repository: String, checker: Endpoint?, signatureDemanded: Bool? = nil, live: PinnedImage? = nil
    ) {
        self.signatureDemanded = signatureDemanded
        self.live = live
        self.number = number
        self.repository = repository
        self.checker = checker
    }
}

/// The Deployer's answer to `GET /internal/checker`: the Builder asks when the checker that a ticket named is gone.
package struct CheckerPlace: Hashable, Sendable, Codable {
    /// Where the checker answers; `nil` when none runs now.
    package var checker: Endpoint?

    /// The checker at `checker`.
    package init(checker: Endpoint?) { self.checker = checker }
}

/// What the Builder sends to `POST /internal/functions/NAME/revisions` when the image is in the registry.
package struct DeployRequest: Hashable, Sendable, Codable {
    /// The ticket that the build ran under.
    package var ticket: Int
    /// The pushed image, by digest.
    package var image: PinnedImage
    /// The configuration to freeze.
    package var spec: FunctionSpec
    /// Whether the answer comes when the revision serves (201) or as soon as it is recorded (202).
    package var wait: Bool
    /// What the Builder took, in milliseconds by phase; passed on in the answer.
    package var timings: [String: Double]
    /// Whether to take over what others have set of the function's object in a cluster; absent is no.
    package var force: Bool?
    /// The revision that this is a rebake of: it takes its place only while that is live, and keeps its place in the order of
    /// arrival, so that a deploy that was under way goes live after it. Absent for a deploy.
    package var replaces: Int?
    /// Of 100 requests so many go to the new revision, the others go on to the live one; absent for all.
    package var traffic: Int?
    /// What keeps a client on its revision, beside ``traffic``; absent: what does so far.
    package var sticky: Stickiness?
    /// When the new revision has failed, beside ``traffic``; absent: as it is for those that share the traffic so far.
    package var stepBack: StepBack?

    /// A finished build.
    package init(
        ticket: Int, image: PinnedImage, spec: FunctionSpec, wait: Bool, timings: [String: Double], force: Bool? = nil,
        replaces: Int? = nil, traffic: Int? = nil, sticky: Stickiness? = nil, stepBack: StepBack? = nil
    ) {
        self.traffic = traffic
        self.sticky = sticky
        self.stepBack = stepBack
        self.force = force
        self.replaces = replaces
        self.ticket = ticket
        self.image = image
        self.spec = spec
        self.wait = wait
        self.timings = timings
    }
}

/// The answer to a deploy and to a rollback.
package struct DeployAnswer: Hashable, Sendable, Codable {
    /// The function.
    package var name: FunctionName
    /// The revision that the deploy made, or found unchanged.
    package var revision: Int
    /// The image by digest, with registry and repository.
    package var image: PinnedImage
    /// The image's digest.
    package var digest: Digest
    /// When the revision was recorded.
    package var created: Timestamp
    /// Nothing was made: content and configuration are those of the live revision.
    package var unchanged: Bool
    /// A later deploy went live while this one was built: the revision is recorded and gets no traffic.
    package var superseded: Bool
    /// Whether the revision answers at `url` now.
    package var serving: Bool
    /// Where to call the function: a URL, or only its path when the public address is not known.
    package var url: String
    /// Milliseconds by phase.
    package var timings: [String: Double]
    /// What is baked of what the code imports: `npm:NAME@VERSION`, `jsr:NAME@VERSION` or a URL, what it names itself
    /// first; `nil` for none.
    package var dependencies: [String]?
    /// Whether the types of the code have been checked; `nil` where no code was built, as in a rollback.
    package var typesChecked: Bool?
    /// The revisions that share the function's traffic now; `nil` when one has all of it.
    package var traffic: [TrafficSplit.Share]?
    /// What the developer should know of a deploy that went well.
    package var warnings: [String]?

    /// The answer for `revision`.
    package init(revision: Revision, unchanged: Bool, superseded: Bool, serving: Bool, timings: [String: Double]) {
        name = revision.function
        self.revision = revision.number
        image = revision.image
        digest = revision.image.digest
        created = revision.created
        self.unchanged = unchanged
        self.superseded = superseded
        self.serving = serving
        url = "/fn/\(revision.function)"
        self.timings = timings
    }
}
