import Contract
import Logging
import OCI

@testable import Deployer

/// Gives `body` a reconciler on `store` that runs with short times, and its backend, which keeps only a list.
func withReconciler(
    _ store: any FunctionStore, idle: Duration? = nil, _ body: (Reconciler, RecordingBackend) async throws -> Void
) async throws {
    let backend = RecordingBackend()
    var timing = Reconciler.Timing()
    timing.drain = .milliseconds(50)
    timing.switchOver = .milliseconds(50)
    timing.scaling.idle = idle
    timing.scaling.interval = .milliseconds(20)
    timing.wakeRest = .milliseconds(300)...(.milliseconds(300))
    let reconciler = Reconciler(
        store: store, backend: backend, tags: NoTags(), epoch: "e", timing: timing, logger: Logger(label: "test"))
    try await reconciler.start(base: nil)
    let running = Task { await reconciler.run() }
    defer { running.cancel() }
    try await body(reconciler, backend)
}

/// A reconciler whose images are in `registry`, called `authority`, with the function `hello` of the image `digest`.
func reconciler(
    _ store: any FunctionStore, deployed digest: Digest, in registry: Registry, _ authority: String
) async throws -> Reconciler {
    let reconciler = Reconciler(
        store: store, backend: RecordingBackend(), tags: RegistryTags(registry), epoch: "e",
        logger: Logger(label: "test"))
    try await reconciler.start(base: nil)
    let image = PinnedImage(registry: authority, repository: "kiln/hello", digest: digest)
    _ = try await reconciler.deploy(
        name("hello"),
        DeployRequest(
            ticket: try await store.issueTicket(for: name("hello")), image: image, spec: FunctionSpec(), wait: true,
            timings: [:]), requestID: "x")
    return reconciler
}
