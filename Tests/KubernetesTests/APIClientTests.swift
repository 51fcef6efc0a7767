import FoundationEssentials
import Support
import Testing
import Transfer

@testable import Kubernetes

@Suite struct APIClientTests {
    @Test func `an object is made by apply, kept when nothing changes, changed, and deleted`() async throws {
        try await withKubernetes { server in
            let api = try server.api()
            let made = try await api.apply(ConfigMap("a", ["x": "1", "y": "1"]))
            #expect(made.isNew)
            let kept = try await api.apply(ConfigMap("a", ["x": "1", "y": "1"]))
            #expect(!kept.isNew)
            #expect(kept.object.metadata.resourceVersion == made.object.metadata.resourceVersion)
            #expect(try await api.apply(ConfigMap("a", ["x": "2"])).object.data == ["x": "2"], "what is left out goes")
            #expect(try await api.get(ConfigMap.self, "a", in: "functions")?.data == ["x": "2"])
            #expect(try await api.delete(ConfigMap.self, "a", in: "functions") == .done)
            #expect(try await api.delete(ConfigMap.self, "a", in: "functions") == .absent)
            #expect(try await api.get(ConfigMap.self, "a", in: "functions") == nil)
        }
    }

    @Test func `a field of another manager is taken by force, or not at all and its owner named`() async throws {
        try await withKubernetes { server in
            let api = try server.api()
            _ = try await api.apply(ConfigMap("a", ["x": "1"]), manager: "argo")
            let error = await #expect(throws: APIError.self) {
                try await api.apply(ConfigMap("a", ["x": "2"]), ownership: .respect)
            }
            #expect(error?.code == .foreignOwner)
            #expect(error?.owners == [APIError.Owner(manager: "argo", field: ".data.x")])
            #expect(try await api.apply(ConfigMap("a", ["x": "2"])).object.data == ["x": "2"])
            #expect(
                try await api.apply(ConfigMap("a", ["y": "1"]), manager: "argo", ownership: .respect).object.data?["x"]
                    == "2")
        }
    }

    @Test func `writes with an old version or of another object are refused as conflicts`() async throws {
        try await withKubernetes { server in
            let api = try server.api()
            let old = try await api.create(ConfigMap("a", ["x": "1"]))
            #expect(await Self.code { try await api.create(ConfigMap("a")) } == .alreadyExists)
            var new = old
            new.data = ["x": "2"]
            let replaced = try await api.replace(new)
            #expect(replaced.data == ["x": "2"])
            #expect(await Self.code { try await api.replace(new) } == .conflict)
            let stale = old.metadata.resourceVersion
            #expect(
                await Self.code {
                    try await api.delete(ConfigMap.self, "a", in: "functions", resourceVersion: stale)
                } == .conflict)
            #expect(
                await Self.code { try await api.delete(ConfigMap.self, "a", in: "functions", uid: "x") } == .conflict)
            let uid = old.metadata.uid
            #expect(try await api.delete(ConfigMap.self, "a", in: "functions", uid: uid) == .done)
        }
    }

    @Test func `a list is read in pages at one version, whatever is written meanwhile`() async throws {
        try await withKubernetes { server in
            let api = try server.api { $0.pageSize = 7 }
            for number in 10..<40 {
                _ = try await api.create(ConfigMap("c\(number)", labels: ["half": "\(number / 25)"]))
            }
            let all = try await api.list(ConfigMap.self, Selection(namespace: "functions"))
            #expect(all.items.map(\.key.name) == (10..<40).map { "c\($0)" })
            let half = try await api.list(ConfigMap.self, Selection(namespace: nil, labels: "half=1"))
            #expect(half.items.count == 15)
            let one = try await api.list(ConfigMap.self, Selection(namespace: nil, fields: "metadata.name=c20"))
            #expect(one.items.map(\.key.name) == ["c20"])
            let pages = try await server.order(.look()).log.filter { $0.contains("limit=7") }
            #expect(pages.count == 5 + 3 + 1)

            // The snapshot is lost after the second page.
            let gone = #"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}"#
            try await server.order(.answer("continue=", status: 410, body: gone))
            #expect(try await api.list(ConfigMap.self, Selection(namespace: "functions")).items.count == 30)
        }
    }

    /// A failure on the way, and how often the request is sent until it succeeds.
    @Test(arguments: [
        (
            429,
            #"{"kind":"Status","status":"Failure","reason":"TooManyRequests","code":429,"details":{"retryAfterSeconds":0}}"#
        ),
        (503, "no backend"), (504, "too late"),
        (500, #"{"kind":"Status","status":"Failure","reason":"InternalError","code":500}"#),
    ])
    func `a passing failure is waited out`(status: Int, body: String) async throws {
        try await withKubernetes { server in
            let api = try server.api()
            try await server.order(.answer("configmaps/a", status: status, body: body, times: 3))
            #expect(try await api.apply(ConfigMap("a", ["x": "1"])).isNew)
            #expect(try await server.order(.look()).log.filter { $0.hasPrefix("PATCH") }.count == 4)
        }
    }

    @Test func `a lost answer is asked for again, but nothing is made twice`() async throws {
        try await withKubernetes { server in
            let api = try server.api()
            try await server.order(.drop("PATCH", when: .after))
            #expect(
                try await !api.apply(ConfigMap("a", ["x": "1"])).isNew,
                "it was made by the request whose answer was lost")
            try await server.order(.drop("POST", when: .after))
            #expect(await Self.code { try await api.create(ConfigMap("b")) } == .unreachable)
            #expect(try await server.order(.look()).log.filter { $0.hasPrefix("POST /api") }.count == 1)
            try await server.order(.answer("POST", status: 429, headers: ["Retry-After": "0"]))
            #expect(try await api.create(ConfigMap("c")).key.name == "c")
        }
    }

    @Test func `a refusal is not repeated`() async throws {
        try await withKubernetes { server in
            let api = try server.api()
            struct Wrong: KubernetesObject {
                static let resource = ConfigMap.resource
                var metadata = ObjectMeta(name: "a", namespace: "functions")
                var nosuch = 1
            }
            #expect(await Self.code { try await api.apply(Wrong()) } == .refused)
            #expect(try await server.order(.look()).log.filter { $0.hasPrefix("PATCH") }.count == 1)
        }
    }

    @Test func `a token that is refused is read again, once`() async throws {
        try await withTemporaryDirectory { directory in
            let (own, accepted) = (directory + "/own", directory + "/accepted")
            @Sendable func write(_ path: String, _ text: String) throws {
                try Data(text.utf8).write(to: URL(filePath: path))
            }
            try write(own, "one")
            try write(accepted, "one\ntwo\n")
            try await withKubernetes(tokenFile: accepted) { server in
                let api = try server.api(credentials: ClusterCredentials(bearer: .file(path: own)))
                _ = try await api.create(ConfigMap("a"))
                try write(accepted, "two\n")
                #expect(await Self.code { try await api.get(ConfigMap.self, "a", in: "functions") } == .unauthorized)
                try write(own, "two")
                #expect(try await api.get(ConfigMap.self, "a", in: "functions") != nil)
            }
        }
    }

    @Test func `an answer above the limit, or cut off, or no JSON, is an error that says what was tried`() async throws
    {
        try await withKubernetes { server in
            let api = try server.api { $0.answerLimit = 2000 }
            _ = try await api.apply(ConfigMap("a", ["x": String(repeating: "x", count: 1000)]))
            #expect(try await api.get(ConfigMap.self, "a", in: "functions") != nil)
            try await server.order(.answer("GET", status: 200, body: String(repeating: " ", count: 3000)))
            let error = await #expect(throws: APIError.self) { try await api.get(ConfigMap.self, "a", in: "functions") }
            #expect(error?.code == .malformed)
            #expect(error?.message.hasPrefix("Cannot read ConfigMap a: ") == true)
            try await server.order(.answer("GET", status: 200, body: "<html>"))
            #expect(await Self.code { try await api.get(ConfigMap.self, "a", in: "functions") } == .malformed)
            try await server.order(.cut("GET", after: 100))
            #expect(try await api.get(ConfigMap.self, "a", in: "functions") != nil, "the second attempt is whole")
        }
    }

    static func code(_ body: () async throws -> some Sendable) async -> APIError.Code? {
        do {
            _ = try await body()
            return nil
        } catch { return (error as? APIError)?.code }
    }
}
