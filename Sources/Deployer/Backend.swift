import Contract

/// What the Deployer runs functions on: local containers, or Kubernetes.
///
/// Every call is idempotent and may be interrupted at any instruction: the next ``adopt(_:)`` brings what runs in line again.
package protocol Backend: Sendable {
    /// Changes of what accepts requests, in order. One consumer.
    var events: AsyncStream<WorkloadEvent> { get }

    /// Called once, before anything else: keeps the running instances of `desired` workloads, starts what they lack (without waiting
    /// for it), and removes everything else that an earlier run left behind. When it returns, the endpoints of
    /// all adopted instances have been sent to ``events``.
    ///
    /// Of the `parkable` workloads, those that have no instance are left as they are: returns them.
    func adopt(_ desired: [Workload], parkable: Set<WorkloadID>) async throws -> Set<WorkloadID>

    /// Runs `workload` and keeps it running, with restarts and back-off, until ``retire(_:)``. Returns when all of its instances
    /// accept requests; throws ``RolloutFailure`` when one does not come up, and then nothing of the workload is left.
    /// For a workload that runs already: waits until it is ready.
    func rollOut(_ workload: Workload) async throws

    /// Lets a workload that runs have `count` instances, at least one. New ones appear in ``events`` when they accept requests. Those too
    /// many leave the endpoints at once, and are stopped when `drained`, which is given their ids, returns. Unknown ids are no error.
    func scale(_ id: WorkloadID, to count: Int, drained: @escaping @Sendable (Set<String>) async -> Void) async

    /// What a workload uses now; `nil` when it is unknown.
    func usage(of id: WorkloadID) async -> WorkloadUsage?

    /// Looks whether instances of a workload meet limits of the operating system's, of which they are told by nobody else: what is found
    /// is in their ``status(of:)`` and in the metrics.
    func watchLimits(of id: WorkloadID) async

    /// Ends a workload: SIGTERM, the grace period, SIGKILL; returns when nothing of it is left. Unknown ids are no error.
    func retire(_ id: WorkloadID) async

    /// Takes away the instances of a workload that goes on to serve, as ``retire(_:)`` does; what else there is of it may stay, so that
    /// ``rollOut(_:)`` has them back sooner. Unknown ids are no error.
    func park(_ id: WorkloadID) async

    /// The memory that all instances of functions use, and may use; `nil` when there is no such limit.
    func memory() async -> MemoryUsage?

    /// How the workload does now; `nil` when it is unknown.
    func status(of id: WorkloadID) async -> WorkloadStatus?

    /// The lines that the instances of `function` printed and that `query` wants, oldest first, also of instances that have ended; one
    /// that follows ends when its reader is cancelled. They come as many at a time as there are.
    func logs(of function: FunctionName, _ query: LogQuery) async -> AsyncStream<[LogLine]>
}

extension Backend {
    /// Adopts `desired` without leaving anything parked.
    func adopt(_ desired: [Workload]) async throws { _ = try await adopt(desired, parkable: []) }

    /// Nothing of it is kept.
    package func park(_ id: WorkloadID) async { await retire(id) }

    /// Nothing is known of them.
    package func watchLimits(of id: WorkloadID) async {}

    /// No limit.
    package func memory() async -> MemoryUsage? { nil }
}

/// What a workload uses.
package struct WorkloadUsage: Hashable, Sendable {
    /// How many instances there are to be.
    package var desired: Int
    /// CPU time of its instances since the call before, in thousandths of a core; `nil` at the first call and when it cannot be read.
    package var cpuMillicores: Double?

    /// A usage.
    package init(desired: Int, cpuMillicores: Double?) {
        self.desired = desired
        self.cpuMillicores = cpuMillicores
    }
}

/// The memory of all instances of functions together, in bytes.
package struct MemoryUsage: Hashable, Sendable {
    /// What they use, or are reserved while they start.
    package var used: Int64
    /// What they may use; flag `--memory-budget`.
    package var limit: Int64
}

/// What identifies a workload: a revision, or one of Kiln's own.
package enum WorkloadID: Hashable, Sendable, Codable {
    /// A revision of a function.
    case revision(RevisionID)
    /// The checker, which judges untrusted source in a container of its own.
    case checker
}

/// What a backend has to run.
package struct Workload: Hashable, Sendable, Codable {
    /// Its identity.
    package var id: WorkloadID
    /// The image to run.
    package var image: PinnedImage
    /// How many instances, their limits, environment and network.
    package var spec: FunctionSpec
    /// Arguments instead of the image's `Cmd`; `nil` runs the image as it is.
    package var arguments: [String]?

    /// A workload.
    package init(id: WorkloadID, image: PinnedImage, spec: FunctionSpec, arguments: [String]? = nil) {
        self.id = id
        self.image = image
        self.spec = spec
        self.arguments = arguments
    }

    /// The workload of `revision`.
    package init(_ revision: Revision) {
        self.init(id: .revision(revision.id), image: revision.image, spec: revision.spec)
    }
}

/// A change that the Router has to learn of.
package enum WorkloadEvent: Hashable, Sendable {
    /// The instances of a workload that accept requests are now exactly these.
    case endpoints(WorkloadID, [Endpoint])
}

/// How a workload does.
package struct WorkloadStatus: Hashable, Sendable, Codable {
    /// Instances that accept requests.
    package var ready: Int
    /// Instances there should be.
    package var desired: Int
    /// How often an instance has been started again after it ended by itself.
    package var restarts: Int
    /// Why the last instance ended by itself, e.g. `out of memory (limit 64 MiB)` or `exit code 1`.
    package var lastFailure: String?
    /// Why there are fewer instances than the load asks for.
    package var limited: String?
    /// Limits that its instances have met, a sentence each.
    package var warnings: [String] = []

    /// A status.
    package init(
        ready: Int, desired: Int, restarts: Int, lastFailure: String?, limited: String? = nil, warnings: [String] = []
    ) {
        self.limited = limited
        self.warnings = warnings
        self.ready = ready
        self.desired = desired
        self.restarts = restarts
        self.lastFailure = lastFailure
    }
}

/// Why a workload did not come up.
package struct RolloutFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure.
    package enum Code: String, Hashable, Sendable {
        /// The instance ended before it accepted a request.
        case crashed
        /// It did not listen within the start deadline.
        case timedOut
        /// It was killed for using more memory than its limit.
        case outOfMemory
        /// A secret it refers to does not exist.
        case secretMissing
        /// A secret, or all of them with the environment, is larger than an instance may get.
        case secretTooLarge
        /// All instances together would use more memory than they may.
        case noRoom
        /// The image cannot be had or used.
        case image
        /// The machine has no room or a part of it failed.
        case platform
        /// The workload was retired meanwhile.
        case retired
        /// The image is not signed, and signatures are demanded.
        case unsigned
        /// Its signatures are by none of the keys that are trusted.
        case signedByAnother
        /// Its signature is of another image.
        case signatureMismatch
    }

    /// The kind.
    package var code: Code
    /// A sentence for the person who must act.
    package var message: String
    /// The last lines that the instance printed.
    package var logs: [String]

    /// A failure.
    package init(_ code: Code, _ message: String, logs: [String] = []) {
        self.code = code
        self.message = message
        self.logs = logs
    }

    package var description: String { message }
}
