import Contract
import FoundationEssentials
import Support
import Testing

@testable import Deployer
@testable import Kubernetes

/// What every ``FunctionStore`` has to do; run on each there is.
@Suite struct FunctionStoreTests {
    @Test func `a deploy is pending until it goes live, and then it is what serves`() async throws {
        try await withEachStore { store in
            let revision = try await store.deploy("hello", "a")
            #expect(revision.number == 1)
            #expect(try await store.pending().map(\.revision) == [revision])
            #expect(try await store.serving().isEmpty)

            #expect(try await store.goLive(revision.id, ticket: 1, cause: .deploy) == .live(previous: nil))
            #expect(try await store.pending().isEmpty)
            #expect(try await store.serving() == [ServingRecord(name: revision.function, live: revision, pinned: [])])
        }
    }

    @Test func `the same image and configuration as the live revision make no new one`() async throws {
        try await withEachStore { store in
            let first = try await store.deployLive("hello", "a")
            let again = try await store.record(
                draft("hello", "a", ticket: store.issueTicket(for: name("hello"))), floor: 0)
            #expect(again == .unchanged(first))

            var changed = try await draft("hello", "a", ticket: store.issueTicket(for: name("hello")))
            changed.spec.environment["A"] = "1"
            guard case .pending(let second) = try await store.record(changed, floor: 0) else {
                Issue.record("another configuration is another revision")
                return
            }
            #expect(second.number == 2)
        }
    }

    @Test func `functions are listed in pages by name`() async throws {
        try await withEachStore { store in
            for function in ["d", "b", "a", "c"] { _ = try await store.deployLive(function, "a") }
            func names(after: String?, limit: Int) async throws -> [String] {
                try await store.functions(after: after.map { try name($0) }, limit: limit).map(\.name.value)
            }
            #expect(try await names(after: nil, limit: 2) == ["a", "b"])
            #expect(try await names(after: "b", limit: 2) == ["c", "d"])
            #expect(try await names(after: "bb", limit: 9) == ["c", "d"])
            #expect(try await names(after: "d", limit: 2).isEmpty)
        }
    }

    @Test func `numbers rise above the registry's tags and are not used again after a delete`() async throws {
        try await withEachStore { store in
            let hello = try name("hello")
            guard
                case .pending(let first) = try await store.record(
                    draft("hello", "a", ticket: store.issueTicket(for: hello)), floor: 7)
            else { throw Unexpected() }
            #expect(first.number == 8)
            #expect(try await store.delete(hello, ticket: store.issueTicket(for: hello)))
            #expect(try await store.function(hello) == nil)
            #expect(try await store.deploy("hello", "a").number == 9)
        }
    }

    @Test func `a function of another platform is taken in as it was, once, and its numbers are not used again`()
        async throws
    {
        try await withEachStore { store in
            let hello = try name("hello")
            let first = try await store.deployLive("hello", "a")
            let second = try await store.deployLive("hello", "b")
            _ = try await store.deploy("hello", "c")
            _ = try await store.setPinned(second.id, true)
            let back = try await store.issueTicket(for: hello)
            guard case .live = try await store.goLive(first.id, ticket: back, cause: .rollback) else {
                throw Unexpected()
            }
            let before = try #require(try await store.function(hello))
            let snapshot = FunctionSnapshot(before)

            try await withEachStore { other in
                let importing = try #require(other as? any ImportingStore)
                let images = ImagePlace(registry: "elsewhere:5000", repository: "own/hello")
                #expect(try await importing.adopt(snapshot, images: images))
                let after = try #require(try await other.function(hello))
                #expect(FunctionSnapshot(after) == snapshot)
                #expect(after.summary.live?.image.description.hasPrefix("elsewhere:5000/own/hello@") == true)
                // What was under way is nothing to go on with.
                #expect(try await other.pending().isEmpty)
                #expect(try await other.serving().map(\.live?.number) == [1])
                #expect(try await importing.adopt(snapshot, images: images) == false)
                #expect(try await other.deploy("hello", "d").number == 4)
                if let declared = other as? any DeclarativeStore {
                    #expect(try await declared.unrecorded(hello) == nil)
                }
            }
        }
    }

    @Test func `of two racing deploys the later ticket is live, whichever ends first`() async throws {
        try await withEachStore { store in
            let hello = try name("hello")
            let early = try await store.issueTicket(for: hello)
            let late = try await store.issueTicket(for: hello)
            guard case .pending(let second) = try await store.record(draft("hello", "b", ticket: late), floor: 0) else {
                throw Unexpected()
            }
            #expect(try await store.goLive(second.id, ticket: late, cause: .deploy) == .live(previous: nil))
            guard case .superseded(let first) = try await store.record(draft("hello", "a", ticket: early), floor: 0)
            else {
                throw Unexpected()
            }
            #expect(try await store.goLive(first.id, ticket: early, cause: .deploy) == .superseded)
            #expect(try await store.function(hello)?.summary.live == second)
        }
    }

    @Test func `a deploy that was under way when its function was deleted records nothing`() async throws {
        try await withEachStore { store in
            let hello = try name("hello")
            try await store.deployLive("hello", "a")
            let underWay = try await store.issueTicket(for: hello)
            #expect(try await store.delete(hello, ticket: store.issueTicket(for: hello)))
            #expect(try await store.record(draft("hello", "b", ticket: underWay), floor: 0) == .deleted)
            #expect(try await store.function(hello) == nil)
        }
    }

    @Test func `a failure is kept with its reason and nothing else changes`() async throws {
        try await withEachStore { store in
            let live = try await store.deployLive("hello", "a")
            let broken = try await store.deploy("hello", "b")
            try await store.fail(broken.id, reason: "exit code 1")
            let record = try #require(try await store.function(live.function))
            #expect(record.summary.live == live)
            #expect(record.revisions.map(\.state) == [.failed, .ready])
            #expect(record.revisions.first?.failure == "exit code 1")
            #expect(try await store.pending().isEmpty)
        }
    }

    @Test func `the history shows what was live, newest first, and why`() async throws {
        try await withEachStore { store in
            let first = try await store.deployLive("hello", "a")
            try await store.deployLive("hello", "b")
            let ticket = try await store.issueTicket(for: first.function)
            #expect(try await store.goLive(first.id, ticket: ticket, cause: .rollback) == .live(previous: 2))
            let history = try #require(try await store.function(first.function)).history
            #expect(history.map(\.revision) == [1, 2, 1])
            #expect(history.map(\.cause) == [.rollback, .deploy, .deploy])
        }
    }

    @Test func `a pinned revision serves beside the live one until it is unpinned`() async throws {
        try await withEachStore { store in
            let first = try await store.deployLive("hello", "a")
            let second = try await store.deployLive("hello", "b")
            #expect(try await store.setPinned(first.id, true))
            #expect(try await store.serving() == [ServingRecord(name: first.function, live: second, pinned: [first])])
            #expect(try await store.setPinned(first.id, false))
            #expect(try await store.serving() == [ServingRecord(name: first.function, live: second, pinned: [])])
            #expect(try await !store.setPinned(RevisionID(function: first.function, number: 9), true))
        }
    }

    @Test func `collected revisions are forgotten, but what is live, pinned or pending stays`() async throws {
        try await withEachStore { store in
            let old = try await store.deployLive("hello", "a")
            let pinned = try await store.deployLive("hello", "b")
            let live = try await store.deployLive("hello", "c")
            let pending = try await store.deploy("hello", "d")
            #expect(try await store.setPinned(pinned.id, true))
            #expect(try await store.collect([1, 2, 3, 4, 9], of: old.function) == [old])
            let record = try #require(try await store.function(old.function))
            #expect(record.revisions.map(\.revision) == [pending, live, pinned])
            #expect(record.history.map(\.revision) == [3, 2])
            #expect(record.collected == 1)
            #expect(try await store.collect([1], of: old.function).isEmpty)
            #expect(try await store.count() == 1)
            #expect(try await store.deploy("other", "a").number == 1)
            #expect(try await store.count() == 2)
            #expect(try await store.deploy("hello", "e").number == 5)
        }
    }

    @Test func `what was recorded is there after the store is opened again`() async throws {
        try await withDirectory { directory in
            let live = try await SQLiteStore(path: directory + "/kiln.sqlite").deployLive("hello", "a")
            let reopened = try SQLiteStore(path: directory + "/kiln.sqlite")
            #expect(try await reopened.function(live.function)?.summary.live == live)
            #expect(try await reopened.issueTicket(for: live.function) == 2)
        }
    }

    @Test func `a file that is no database is refused with a sentence`() async throws {
        try await withDirectory { directory in
            let path = directory + "/kiln.sqlite"
            try Data(repeating: 65, count: 8192).write(to: URL(filePath: path))
            let error = #expect(throws: DeployerError.self) { try SQLiteStore(path: path) }
            #expect(error?.message.contains(path) == true)
        }
    }

    @Test func `untagged revisions are found until their tag is noted`() async throws {
        try await withEachStore { store in
            let revision = try await store.deployLive("hello", "a")
            #expect(try await store.untagged() == [revision])
            try await store.markTagged(revision.id)
            #expect(try await store.untagged().isEmpty)
        }
    }
}

struct Unexpected: Error {}

func name(_ text: String) throws -> FunctionName { try FunctionName(text) }

/// A draft of `function` whose image digest consists of `letter`.
func draft(_ function: String, _ letter: Character, ticket: Int) throws -> RevisionDraft {
    let digest = try Digest("sha256:" + String(repeating: letter, count: 64))
    return RevisionDraft(
        function: try name(function),
        image: PinnedImage(registry: "127.0.0.1:5080", repository: "kiln/\(function)", digest: digest),
        spec: FunctionSpec(), ticket: ticket, now: Timestamp(milliseconds: 1_700_000_000_000))
}

extension FunctionStore {
    func deploy(_ function: String, _ letter: Character) async throws -> Revision {
        let outcome = try await record(
            draft(function, letter, ticket: issueTicket(for: name(function))), floor: 0)
        guard case .pending(let revision) = outcome else { throw Unexpected() }
        return revision
    }

    @discardableResult
    func deployLive(_ function: String, _ letter: Character) async throws -> Revision {
        let ticket = try await issueTicket(for: name(function))
        guard case .pending(let revision) = try await record(draft(function, letter, ticket: ticket), floor: 0) else {
            throw Unexpected()
        }
        guard case .live = try await goLive(revision.id, ticket: ticket, cause: .deploy) else { throw Unexpected() }
        return revision
    }
}

func withDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory.path + "/kiln-test-\(UInt64.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await body(directory)
}

func withStore(_ body: (any FunctionStore) async throws -> Void) async throws {
    try await withDirectory { try await body(SQLiteStore(path: $0 + "/kiln.sqlite")) }
}

/// Runs `body` on an empty store of each kind.
func withEachStore(_ body: @Sendable (any FunctionStore) async throws -> Void) async throws {
    try await withStore(body)
    try await withKubernetesStore { _, store in try await body(store) }
}

func withKubernetesStore(
    _ body: @Sendable (KubernetesFixture, KubernetesStore) async throws -> Void
) async throws {
    let manifests = ["k8s/base/functions.yaml", "k8s/base/functionrevisions.yaml"]
    try await withKubernetes(namespaces: ["functions", "kiln-system"], manifests: manifests) { server in
        try await body(server, KubernetesStore(try server.api(), namespace: "functions", system: "kiln-system"))
    }
}
