import Contract
import Logging
import OCI
import Synchronization
import Testing

@testable import Deployer

/// Garbage collection against a registry in memory: which images go, and which never do.
@Suite struct CollectorTests {
    private var everything: Retention {
        var retention = Retention()
        retention.keep = 0
        retention.keepFor = .seconds(0)
        return retention
    }

    @Test func `a dry run says what a run then does, and a second run finds nothing`() async throws {
        try await withCollector { collector, reconciler, registry in
            for letter in "abcd" { try await reconciler.deployed("hello", letter, registry) }
            try await reconciler.deployed("gone", "e", registry)
            try await reconciler.delete(try name("gone"))
            registry.push("never-recorded", "f")

            var dry = try await collector.run(everything, .dryRun)
            #expect(dry.revisions.map(\.revision) == [2, 1])
            #expect(dry.images.count == 4)
            #expect(registry.count == 6)
            #expect(try await reconciler.store.function(try name("hello"))?.revisions.count == 4)

            var wet = try await collector.run(everything, .collect)
            (dry.milliseconds, wet.milliseconds, wet.dryRun) = (0, 0, true)
            #expect(wet == dry)
            #expect(registry.count == 2)
            #expect(registry.sweeps == 1)
            let again = try await collector.run(everything, .collect)
            #expect(again.isEmpty)
            #expect(registry.sweeps == 1)
        }
    }

    @Test func `an image that a revision which stays has too stays`() async throws {
        try await withCollector { collector, reconciler, registry in
            try await reconciler.deployed("hello", "a", registry)
            try await reconciler.deployed("hello", "b", registry)
            try await reconciler.deployed("hello", "c", registry)
            try await reconciler.deployed("hello", "a", registry)
            let report = try await collector.run(everything, .collect)
            #expect(report.revisions.map(\.revision) == [2, 1])
            #expect(registry.letters(of: "hello") == ["a", "c"])
        }
    }

    @Test func `what the revisions that stay import stays, for the next deploy to begin with`() async throws {
        try await withCollector { collector, reconciler, registry in
            for letter in "abc" { try await reconciler.deployed("hello", letter, registry) }
            registry.push("hello", "0")
            registry.push("hello", "d", importedBy: "a")
            registry.push("hello", "e", importedBy: "b")
            registry.push("hello", "f", importedBy: "c")
            _ = try await collector.run(everything, .collect)
            #expect(registry.letters(of: "hello") == ["b", "c", "e", "f"])
        }
    }

    @Test func `images from before the note of what they import keep the image whose layer they have`() async throws {
        try await withCollector { collector, reconciler, registry in
            for letter in "abc" { try await reconciler.deployed("hello", letter, registry) }
            registry.push("hello", "0")
            registry.push("hello", "d", usedBy: "a")
            registry.push("hello", "e", usedBy: "b")
            registry.push("hello", "f", usedBy: "c")
            _ = try await collector.run(everything, .collect)
            #expect(registry.letters(of: "hello") == ["b", "c", "e", "f"])
        }
    }

    @Test func `what only collected revisions imported goes, also where every build is a revision's`() async throws {
        try await withCollector { collector, reconciler, registry in
            for letter in "abc" { try await reconciler.deployed("hello", letter, registry) }
            registry.push("hello", "d", importedBy: "a")
            registry.push("hello", "e", importedBy: "b")
            _ = try await collector.run(everything, .collect)
            #expect(registry.letters(of: "hello") == ["b", "c", "e"])
        }
    }

    @Test func `a rollback to a collected revision is told so, and its number is not used again`() async throws {
        try await withCollector { collector, reconciler, registry in
            for letter in "abc" { try await reconciler.deployed("hello", letter, registry) }
            _ = try await collector.run(everything, .collect)
            let gone = await #expect(throws: Problem.self) { try await reconciler.rollback(try name("hello"), to: 1) }
            #expect(gone?.status == 410)
            let pinned = await #expect(throws: Problem.self) {
                try await reconciler.pin(RevisionID(function: try name("hello"), number: 1))
            }
            #expect(pinned?.status == 410)
            #expect(try await reconciler.rollback(try name("hello"), to: nil).revision == 2)
            #expect(try await reconciler.deployed("hello", "a", registry).revision == 4)
        }
    }

    @Test func `what a deploy under way has pushed is left alone`() async throws {
        try await withCollector { collector, reconciler, registry in
            let ticket = try await reconciler.ticket(for: name("new"))
            registry.push("new", "a")
            let report = try await collector.run(everything, .collect)
            #expect(report.skipped.map(\.value) == ["new"])
            #expect(registry.letters(of: "new") == ["a"])
            await reconciler.giveUp(ticket.number, of: try name("new"))
            #expect(try await collector.run(everything, .collect).images.count == 1)
        }
    }

    @Test func `a build that outlived its ticket is refused when its image was collected`() async throws {
        try await withCollector { collector, reconciler, registry in
            registry.push("late", "a")
            _ = try await collector.run(everything, .collect)
            let refused = await #expect(throws: Problem.self) { try await reconciler.deploy("late", "a") }
            #expect(refused?.status == 503 && refused?.retryAfter != nil)
        }
    }

    @Test func `deploys wait while the registry cannot be written`() async throws {
        try await withCollector { collector, reconciler, registry in
            registry.push("garbage", "a")
            let begun = Mutex(false)
            registry.onSweep {
                begun.withLock { $0 = true }
                let ticket = Task { try await reconciler.ticket(for: try name("hello")) }
                try? await Task.sleep(for: .milliseconds(300))
                let number = try await reconciler.store.issueTicket(for: try name("hello"))
                #expect(number == 1)
                return ticket
            }
            _ = try await collector.run(everything, .collect)
            #expect(begun.withLock { $0 })
            #expect(try await registry.held.withLock { $0 }?.value.number == 2)
        }
    }

    @Test func `a registry that does not delete is left as it is, and that is said`() async throws {
        try await withCollector { collector, reconciler, registry in
            for letter in "abc" { try await reconciler.deployed("hello", letter, registry) }
            registry.refuseDeletes()
            let report = try await collector.run(everything, .collect)
            #expect(report.revisions.map(\.revision) == [1])
            #expect(report.images.count == 0 && report.notes.count == 1)
        }
    }

    @Test func `only one collection runs at a time`() async throws {
        try await withCollector { collector, _, registry in
            registry.push("garbage", "a")
            let everything = everything
            registry.onSweep {
                let second = await #expect(throws: Problem.self) { try await collector.run(everything, .collect) }
                #expect(second?.status == 409)
                return nil
            }
            _ = try await collector.run(everything, .collect)
        }
    }
}

/// A registry of images that consist of a letter.
final class MemoryRegistry: ImageInventory {
    private struct State {
        /// What is imported, by who imports it.
        var imports: [String: String] = [:]
        /// The same of images without a note of it.
        var used: [String: Set<String>] = [:]
        var images: [String: Set<String>] = [:]
        var sweeps = 0
        var deletes = true
        var onSweep: (@Sendable () async throws -> Task<Ticket, any Error>?)?
    }

    private let state = Mutex(State())
    let held = Mutex<Task<Ticket, any Error>?>(nil)

    static func digest(_ letter: String) -> Digest? { try? Digest("sha256:" + String(repeating: letter, count: 64)) }

    var count: Int { state.withLock { $0.images.values.reduce(0) { $0 + $1.count } } }
    var sweeps: Int { state.withLock { $0.sweeps } }
    func push(_ function: String, _ letter: Character) {
        state.withLock { _ = $0.images["kiln/" + function, default: []].insert(String(letter)) }
    }
    /// Pushes the image of what another imports.
    func push(_ function: String, _ letter: Character, importedBy importer: Character) {
        push(function, letter)
        state.withLock { $0.imports[String(importer)] = String(letter) }
    }
    /// Pushes an image of dependencies, `letter`, whose layer is in the image `importer`, which has no note of it.
    func push(_ function: String, _ letter: Character, usedBy importer: Character) {
        push(function, letter)
        state.withLock { _ = $0.used[String(importer), default: []].insert(String(letter)) }
    }
    func letters(of function: String) -> [String] {
        state.withLock { $0.images["kiln/" + function, default: []].sorted() }
    }
    func refuseDeletes() { state.withLock { $0.deletes = false } }
    func onSweep(_ body: @escaping @Sendable () async throws -> Task<Ticket, any Error>?) {
        state.withLock { $0.onSweep = body }
    }

    func listed() async throws -> [String]? { state.withLock { $0.images.keys.sorted() } }
    func tags(of repository: String) async throws -> [String] {
        state.withLock { state in
            let imported = Set(state.imports.values).union(state.used.values.flatMap(\.self))
            return state.images[repository, default: []].map { (imported.contains($0) ? "d-" : "b-") + $0 }
        }
    }
    func digest(of tag: String, in repository: String) async throws -> Digest? { Self.digest(String(tag.dropFirst(2))) }
    func facts(of digest: Digest, in repository: String) async throws -> ImageFacts? {
        let there = state.withLock { $0.images[repository, default: []].contains(String(digest.hex.prefix(1))) }
        let imports = state.withLock { $0.imports[String(digest.hex.prefix(1))] }.map { "d-" + $0 }
        // All have a layer of the base; what is imported comes next, then the function's own.
        let letter = String(digest.hex.prefix(1))
        let used = state.withLock { $0.used[letter, default: []].sorted() }
        let layers = try (["0"] + used + [letter]).map { try #require(Self.digest($0)) }
        return there ? ImageFacts(blobs: [digest: 10], layers: layers, imports: imports) : nil
    }
    func has(_ digest: Digest, in repository: String) async throws -> Bool {
        try await facts(of: digest, in: repository) != nil
    }
    func attached(to digest: Digest, tags: [String], in repository: String) async throws -> [AttachedManifest] { [] }
    func delete(_ digest: Digest, from repository: String) async throws -> Bool {
        state.withLock { state in
            guard state.deletes else { return false }
            state.images[repository]?.remove(String(digest.hex.prefix(1)))
            return true
        }
    }
    func sweep() async throws -> Bool {
        let body = state.withLock { state in
            state.sweeps += 1
            return state.onSweep
        }
        if let body {
            let task = try await body()
            held.withLock { $0 = task }
        }
        return true
    }
}

extension MemoryRegistry: RevisionTags {
    func base(of image: PinnedImage) async throws -> Digest? { nil }
    func bases() async throws -> [BaseRecord] { [] }
    func currentBase() async throws -> Digest? { nil }
    var repositories: RepositoryNames { .standard }
    var registry: String { "127.0.0.1:5080" }
    func highestRevision(in repository: String) async throws -> Int { 0 }
    func tag(_ revision: Revision) async throws {}
    func has(_ image: PinnedImage) async throws -> Bool {
        try await facts(of: image.digest, in: image.repository) != nil
    }
}

extension Reconciler {
    /// Deploys an image that the Builder has pushed to `registry`, and waits until only the live revision runs.
    @discardableResult
    fileprivate func deployed(
        _ function: String, _ letter: Character, _ registry: MemoryRegistry
    ) async throws -> DeployAnswer {
        registry.push(function, letter)
        let answer = try await deploy(function, letter)
        let deadline = ContinuousClock.now + .seconds(60)
        while !retirements.isEmpty || endpoints.count > serving.count {
            guard .now < deadline else { throw Unexpected() }
            try await Task.sleep(for: .milliseconds(5))
        }
        return answer
    }
}

private func withCollector(_ body: (Collector, Reconciler, MemoryRegistry) async throws -> Void) async throws {
    try await withStore { store in
        let registry = MemoryRegistry()
        var timing = Reconciler.Timing()
        timing.drain = .milliseconds(1)
        timing.switchOver = .milliseconds(1)
        let reconciler = Reconciler(
            store: store, backend: RecordingBackend(), tags: registry, epoch: "e", timing: timing,
            logger: Logger(label: "test"))
        try await reconciler.start(base: nil)
        let running = Task { await reconciler.run() }
        defer { running.cancel() }
        let collector = Collector(
            reconciler: reconciler, inventory: registry, machine: nil, logger: Logger(label: "test"))
        try await body(collector, reconciler, registry)
    }
}
