import Contract
import Support
import Synchronization
import Testing
import Transfer

@testable import Deployer
@testable import Kubernetes

/// What is particular to the store of a cluster; what all stores do is in ``FunctionStoreTests``.
@Suite struct KubernetesStoreTests {
    @Test func `what was recorded is there for another Deployer`() async throws {
        try await withKubernetesStore { server, store in
            let live = try await store.deployLive("hello", "a")
            let other = KubernetesStore(try server.api(), namespace: "functions", system: "kiln-system")
            #expect(try await other.function(live.function)?.summary.live == live)
            #expect(try await other.issueTicket(for: live.function) == 2)
        }
    }

    @Test func `tickets and numbers are given out once, however many ask at a time`() async throws {
        try await withKubernetesStore { server, store in
            let hello = try name("hello")
            let tickets = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 { group.addTask { try await store.issueTicket(for: hello) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(tickets.sorted() == Array(1...8))
            let numbers = try await withThrowingTaskGroup(of: Int.self) { group in
                for ticket in tickets {
                    let draft = try draft("hello", Character(String(ticket)), ticket: ticket)
                    group.addTask {
                        guard case .pending(let revision) = try await store.record(draft, floor: 0) else {
                            throw Unexpected()
                        }
                        return revision.number
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(numbers.sorted() == Array(1...8))
        }
    }

    @Test func `each call may be cut off at any of its writes and be made again`() async throws {
        for lost in 0..<8 {
            try await withKubernetesStore { server, store in
                let first = try await store.deployLive("hello", "a")
                let ticket = try await store.issueTicket(for: first.function)
                let cut = KubernetesStore(
                    try server.api { $0.retry = .never }, namespace: "functions", system: "kiln-system")
                // The server dies at the write with this number, having done it or not.
                try await server.order(.skip("(POST|PUT|PATCH) /api", count: lost / 2))
                try await server.order(.drop("(POST|PUT|PATCH) /api", when: lost % 2 == 0 ? .before : .after))
                let draft = try draft("hello", "b", ticket: ticket)
                if case .pending(let revision)? = try? await cut.record(draft, floor: 0) {
                    _ = try? await cut.goLive(revision.id, ticket: ticket, cause: .deploy)
                }
                // What a Deployer does that comes after: it goes on with what is pending, and the client may deploy again.
                for pending in try await store.pending() {
                    _ = try await store.goLive(pending.revision.id, ticket: pending.ticket, cause: .deploy)
                }
                let again = try await store.record(
                    try Self.later(draft, try await store.issueTicket(for: first.function)), floor: 0)
                switch again {
                case .unchanged(let live): #expect(live.image == draft.image)
                case .pending(let revision): #expect(revision.number > first.number)
                case .superseded, .deleted: Issue.record("\(again)")
                }
                let record = try #require(try await store.function(first.function))
                #expect(Set(record.revisions.map(\.revision.number)).count == record.revisions.count)
                #expect(record.summary.live != nil)
            }
        }
    }

    private static func later(_ draft: RevisionDraft, _ ticket: Int) throws -> RevisionDraft {
        var later = draft
        later.ticket = ticket
        return later
    }

    @Test func `somebody who writes the same objects all the time costs repetitions, and loses nothing`() async throws {
        try await withKubernetesStore { server, store in
            let first = try await store.deployLive("hello", "a")
            let api = try server.api()
            let isOver = Atomic<Bool>(false)
            async let written = {
                var count = 0
                while !isOver.load(ordering: .relaxed) {
                    count += 1
                    // What is not Kiln's in the status of both, and beside it in the object.
                    _ = try await api.apply(Noted("hello", count), subresource: "status", manager: "other")
                    _ = try await api.apply(Noted("hello", count), manager: "other")
                    try await Task.sleep(for: .milliseconds(2))
                }
                return count
            }()
            var last = first
            for letter in "bcdef" { last = try await store.deployLive("hello", letter) }
            _ = try await store.setPinned(first.id, true)
            isOver.store(true, ordering: .relaxed)
            let count = try await written
            let log = try await server.order(.look()).log
            #expect(log.contains { $0.hasPrefix("PUT ") && $0.contains("/functions/hello/status") })
            let record = try #require(try await store.function(first.function))
            #expect(record.summary.live == last)
            #expect(record.history.map(\.revision) == [6, 5, 4, 3, 2, 1])
            #expect(record.revisions.filter(\.pinned).map(\.revision.number) == [1])
            let object = try #require(try await api.get(Noted.self, "hello", in: "functions"))
            #expect(object.metadata.annotations?["test/count"] == String(count))
            #expect(object.status?.conditions?.first { $0.type == "Noted" }?.message == String(count))
        }
    }

    @Test func `whoever turns pages costs two calls for each at most, whatever is before them`() async throws {
        try await withKubernetesStore { server, store in
            _ = try await store.deployLive("hello", "a")
            try await server.order(.clone("hello", prefix: "many", count: 40, system: "kiln-system"))
            let small = KubernetesStore(
                try server.api { $0.pageSize = 10 }, namespace: "functions", system: "kiln-system")
            func asked() async throws -> Int {
                let log = try await server.order(.look()).log
                try await server.order(.look(forget: true))
                return log.filter { $0.contains("/functions?") }.count
            }
            var names: [String] = []
            for _ in 0..<9 {
                _ = try await asked()
                // One more than is shown, as the API does to know whether there are more.
                let page = try await small.functions(after: try names.last.map { try name($0) }, limit: 6)
                names += page.prefix(5).map(\.name.value)
                #expect(try await asked() <= 2, "after \(names.count)")
            }
            #expect(names == ["hello"] + (0..<40).map { "many000\($0 < 10 ? "0" : "")\($0)" })
            // A history that is gone, and one who comes from elsewhere.
            try await server.order(.compact)
            let other = KubernetesStore(
                try server.api { $0.pageSize = 10 }, namespace: "functions", system: "kiln-system")
            for store in [small, other] {
                let page = try await store.functions(after: try name("many00029"), limit: 3).map(\.name.value)
                #expect(page == ["many00030", "many00031", "many00032"])
            }
        }
    }

    @Test func `counters are spread over objects, and text that is none is refused`() throws {
        let names = try (0..<2000).map { NameCounters.shard(of: try name("f\($0)")) }
        #expect(Set(names).count == NameCounters.shards)
        #expect(NameCounters.shard(of: try name("hello")) == NameCounters.shard(of: try name("hello")))
        var counter = NameCounters.Counter()
        counter.highestTicket = 7
        #expect(counter.text == "0 7 0")
        #expect(NameCounters.Counter(text: "0 7 0") == counter)
        #expect(NameCounters.Counter(text: "0 7") == nil)
        #expect(NameCounters.Counter(text: "a b c") == nil)
    }
}

/// What somebody else notes of a function.
private struct Noted: KubernetesObject {
    static let resource = FunctionObject.resource
    struct Status: Codable {
        var conditions: [Condition]?
    }
    var metadata: ObjectMeta
    var status: Status?

    init(_ name: String, _ count: Int) {
        metadata = ObjectMeta(name: name, namespace: "functions", annotations: ["test/count": String(count)])
        status = Status(conditions: [Condition(type: "Noted", status: "True", message: String(count))])
    }
}
