import Contract
import FoundationEssentials
import Logging
import OCI
import Support
import Synchronization
import Testing
import Transfer

@testable import Deployer

/// Lets through the images whose digests begin with one of its letters.
private final class LetterTrust: ImageTrust {
    private let state: Mutex<(letters: Set<Character>, refusal: RolloutFailure)>

    init(_ letters: Set<Character>) { state = Mutex((letters, RolloutFailure(.unsigned, "It is not signed."))) }

    func allow(_ letters: Set<Character>) { state.withLock { $0.letters = letters } }
    func refuse(_ code: RolloutFailure.Code) { state.withLock { $0.refusal = RolloutFailure(code, "It may not.") } }

    func check(_ image: PinnedImage) async throws(RolloutFailure) {
        let (letters, refusal) = state.withLock { $0 }
        if !letters.contains(image.digest.hex.first ?? "x") { throw refusal }
    }
}

/// A Deployer that demands signatures.
@Suite(.serialized) struct TrustTests {
    private func withReconciler(
        _ trust: LetterTrust, _ body: (Reconciler, RecordingBackend, any FunctionStore) async throws -> Void
    ) async throws {
        try await withStore { store in
            let backend = RecordingBackend()
            var timing = Reconciler.Timing()
            timing.drain = .milliseconds(1)
            timing.switchOver = .milliseconds(1)
            let reconciler = Reconciler(
                store: store, backend: backend, tags: NoTags(), epoch: "e", timing: timing, trust: trust,
                logger: Logger(label: "test"))
            try await reconciler.start(base: nil)
            let running = Task { await reconciler.run() }
            defer { running.cancel() }
            try await body(reconciler, backend, store)
        }
    }

    @Test(arguments: [
        (RolloutFailure.Code.unsigned, "image-unsigned", 422),
        (.signedByAnother, "image-signed-by-another", 422),
        (.signatureMismatch, "image-signature-mismatch", 422),
        (.image, "registry-failed", 502),
    ])
    func `a deploy of what is not trusted records nothing and says why`(
        code: RolloutFailure.Code, kind: String, status: Int
    ) async throws {
        let trust = LetterTrust(["a"])
        trust.refuse(code)
        try await withReconciler(trust) { reconciler, backend, store in
            try await reconciler.deploy("hello", "a")
            let problem = await #expect(throws: Problem.self) { try await reconciler.deploy("hello", "b") }
            #expect(problem?.kind == kind && problem?.status == status)
            #expect(backend.running == ["hello@1"])
            #expect(try await store.function(try name("hello"))?.revisions.count == 1)
            trust.allow(["a", "b"])
            #expect(try await reconciler.deploy("hello", "b").revision == 2)
        }
    }

    @Test func `a rollback or pin to what is not trusted any more is refused, and what is live stays`() async throws {
        let trust = LetterTrust(["a", "b"])
        try await withReconciler(trust) { reconciler, backend, _ in
            try await reconciler.deploy("hello", "a")
            try await reconciler.deploy("hello", "b")
            try await eventually { backend.running == ["hello@2"] }
            trust.allow(["b"])
            let back = await #expect(throws: Problem.self) { try await reconciler.rollback(try name("hello"), to: 1) }
            #expect(back?.kind == "image-unsigned" && back?.detail.contains("keeps serving") == true)
            let id = RevisionID(function: try name("hello"), number: 1)
            let pinned = await #expect(throws: Problem.self) { try await reconciler.pin(id) }
            #expect(pinned?.kind == "image-unsigned")
            #expect(backend.running == ["hello@2"])
            // Signed meanwhile.
            trust.allow(["a", "b"])
            #expect(try await reconciler.rollback(try name("hello"), to: 1).revision == 1)
        }
    }

    @Test func `an import of what is not trusted is refused, and nothing is recorded`() async throws {
        let trust = LetterTrust(["a"])
        try await withReconciler(trust) { reconciler, _, _ in
            try await reconciler.deploy("hello", "a")
            guard let record = try await reconciler.store.function(try name("hello")) else { throw Unexpected() }
            let snapshot = FunctionSnapshot(record)
            try await reconciler.delete(try name("hello"))
            trust.allow([])
            let problem = await #expect(throws: Problem.self) { try await reconciler.adopt(snapshot) }
            #expect(problem?.kind == "image-unsigned")
            #expect(try await reconciler.store.function(try name("hello")) == nil)
        }
    }

    @Test func `signatures are read from the registry, and what was let through once is not asked for again`()
        async throws
    {
        try await withRegistry { fixture in
            let registry = Registry(RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
            let layer = try Layer([.directory("app"), .file("app/main.js", Array("x".utf8))])
            let image = try ImageBuilder(steps: [.init(layer, createdBy: "kiln: code")]).build()
            try await registry.push(image, to: "kiln/hello")
            let pinned = PinnedImage(registry: fixture.authority, repository: "kiln/hello", digest: image.digest)
            let (key, other) = (SigningKey(), SigningKey())
            let demand = SignatureDemand(registry, keys: [key.verifyingKey])
            let unsigned = await #expect(throws: RolloutFailure.self) { try await demand.check(pinned) }
            #expect(unsigned?.code == .unsigned)
            try await registry.sign(image.digest, in: "kiln/hello", with: other)
            let another = await #expect(throws: RolloutFailure.self) { try await demand.check(pinned) }
            #expect(another?.code == .signedByAnother)
            try await SignatureDemand(registry, keys: [key.verifyingKey, other.verifyingKey]).check(pinned)
            try await registry.sign(image.digest, in: "kiln/hello", with: key)
            try await demand.check(pinned)
            // Away: what is known stays known, what is not cannot be found out.
            let gone = Registry(
                RegistryEndpoint(name: "127.0.0.1:1", url: "http://127.0.0.1:1"), client: fixture.client,
                retry: RetryPolicy(attempts: 1, firstPause: .milliseconds(1), deadline: .seconds(1)))
            let away = await #expect(throws: RolloutFailure.self) {
                try await SignatureDemand(gone, keys: [key.verifyingKey]).check(pinned)
            }
            #expect(away?.code == .image)
        }
    }
}
