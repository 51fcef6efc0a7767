import Contract
import Foundation
import Synchronization
import Testing

@testable import Router

/// Shares of the traffic under load.
@Suite(.serialized) struct TrafficTests {
    private func target(
        _ revision: Int, _ weight: Int, _ upstreams: [TestUpstream], concurrency: Int = 100
    ) -> RouteTarget {
        RouteTarget(
            revision: revision, weight: weight, timeoutMilliseconds: 10_000, concurrency: concurrency,
            endpoints: upstreams.map(\.endpoint))
    }

    @Test func `no request fails while the shares change, nor while revisions come and go`() async throws {
        try await withRouter { router in
            let f = try FunctionName("f")
            let load = SwapLoad(port: router.port)
            let old = try TestUpstream("old", path: router.path("old")) { request in ok(request.text + "v1") }
            let new = try TestUpstream("new", path: router.path("new")) { request in ok(request.text + "v2") }
            router.apply([f: Route(targets: [target(7, 1, [old])])])
            load.start(clients: 8)
            for _ in 0..<15 {
                for percent in [10, 50, 90] {
                    router.apply([f: Route(targets: [target(7, 100 - percent, [old]), target(8, percent, [new])])])
                    try await Task.sleep(for: .milliseconds(10))
                }
                router.apply([f: Route(targets: [target(8, 1, [new])])])
                try await Task.sleep(for: .milliseconds(10))
                router.apply([f: Route(targets: [target(7, 50, []), target(8, 50, [new])])])
                try await Task.sleep(for: .milliseconds(10))
                router.apply([f: Route(targets: [target(7, 1, [old])])])
            }
            let (answered, failures) = await load.stop()
            #expect(failures.isEmpty, "\(failures.prefix(3)) of \(answered)")
            #expect(answered > 500)
            #expect(old.requests.count > 0 && new.requests.count > 0)
        }
    }

    @Test func `a revision whose instances are busy does not hold up the other's requests`() async throws {
        try await withRouter(loops: 1) { router in
            let f = try FunctionName("f")
            let gate = DispatchSemaphore(value: 0)
            let slow = try TestUpstream("slow", path: router.path("slow")) { _ in
                gate.wait()
                return ok("slow")
            }
            let quick = try TestUpstream("quick", path: router.path("quick")) { _ in ok("quick") }
            router.apply([
                f: Route(targets: [target(7, 50, [quick]), target(8, 50, [slow], concurrency: 1)])
            ])
            let answers = (0..<60).map { _ in Task { try await router.get("/fn/f", seconds: 20).text } }
            // Half of them wait for revision 8, which has one place.
            try await eventually("revision 7 has answered all of its own") {
                quick.requests.count > 10 && slow.requests.count == 1
            }
            let count = quick.requests.count
            try await Task.sleep(for: .milliseconds(200))
            // Those that wait go to where there is room when the shares end.
            router.apply([f: Route(targets: [target(7, 1, [quick])])])
            try await eventually("the others have been answered") { quick.requests.count == 59 }
            #expect(count < 59)
            gate.signal()
            for answer in answers { #expect(["slow", "quick"].contains(try await answer.value)) }
        }
    }

    @Test func `requests that came before there was a table are divided too`() async throws {
        try await withRouter { router in
            let first = try TestUpstream("first", path: router.path("first")) { _ in ok("first") }
            let second = try TestUpstream("second", path: router.path("second")) { _ in ok("second") }
            let answers = (0..<40).map { _ in Task { try await router.get("/fn/f").text } }
            try await Task.sleep(for: .milliseconds(100))
            router.apply([try FunctionName("f"): Route(targets: [target(1, 50, [first]), target(2, 50, [second])])])
            for answer in answers { #expect(["first", "second"].contains(try await answer.value)) }
            #expect(first.requests.count > 5 && second.requests.count > 5)
        }
    }

    @Test func `a client keeps to its revision by a field of its own, or by a cookie of the Router's`() async throws {
        try await withRouter(configure: {
            $0.functionHost = try? FunctionHost("{name}.example.com")
            $0.trustedProxies = [IPv4Range("127.0.0.0/8")].compactMap(\.self)
        }) { router in
            let first = try TestUpstream("first", path: router.path("first")) { _ in ok("first") }
            let second = try TestUpstream("second", path: router.path("second")) { _ in ok("second") }
            let f = try FunctionName("f")
            let targets = [target(1, 50, [first]), target(2, 50, [second])]
            router.apply([f: Route(targets: targets, sticky: .header("x-user"))])
            var seen: Set<String> = []
            for user in 0..<20 {
                let answers = try await [
                    router.get("/fn/f", "X-User: \(user)\n").text, router.get("/fn/f/x", "x-user: \(user)\n").text,
                ]
                #expect(answers[0] == answers[1])
                seen.insert(answers[0])
            }
            #expect(seen == ["first", "second"])

            router.apply([f: Route(targets: targets, sticky: .cookie)])
            try await eventually("the table is in use") { router.status?.version.number == 2 }
            for _ in 0..<10 {
                let answer = try await router.get("/fn/f")
                let cookie = try #require(answer["Set-Cookie"])
                #expect(cookie.hasPrefix("kiln-f=") && cookie.hasSuffix("; Path=/fn/f; HttpOnly; SameSite=Lax"))
                let pair = cookie.prefix { $0 != ";" }
                for _ in 0..<5 {
                    let again = try await router.get("/fn/f", "Cookie: a=b; \(pair)\n")
                    #expect(again.text == answer.text && again["Set-Cookie"] == nil)
                }
            }
            // Where it was TLS, also in front of a proxy, nothing else gets it.
            for (scheme, isSecure) in [("https", true), ("http", false)] {
                let cookie = try await router.get("/fn/f", "X-Forwarded-Proto: \(scheme)\n")["Set-Cookie"]
                #expect(cookie?.hasSuffix("; SameSite=Lax; Secure") == isSecure)
            }
            let own = try await router.call("GET / HTTP/1.1\nHost: f.example.com\n\n")
            #expect(own["Set-Cookie"]?.contains("; Path=/; ") == true)
            // No cookie for a revision by its number, nor when one revision has all of the traffic.
            #expect(try await router.get("/fn/f@1")["Set-Cookie"] == nil)
            router.apply([f: Route(targets: [target(1, 1, [first])], sticky: .cookie)])
            try await eventually("the table is in use") { router.status?.version.number == 3 }
            #expect(try await router.get("/fn/f")["Set-Cookie"] == nil)
        }
    }

    @Test func `while the traffic is divided, it is told how the requests of each revision ended`() async throws {
        try await withRouter(configure: { $0.timeouts.sample = .milliseconds(10) }) { router in
            let good = try TestUpstream("good", path: router.path("good")) { _ in ok("good") }
            let bad = try TestUpstream("bad", path: router.path("bad")) { _ in
                "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
            }
            let cut = try TestUpstream("cut", path: router.path("cut")) { socket, upstream in
                upstream.record(try socket.receiveRequest(seconds: 60))
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            }
            let f = try FunctionName("f")
            let sums = Mutex<[Int: [Int]]>([:])
            let following = Task { [loads = router.server.loads] in
                for await load in loads {
                    for revision in load.revisions {
                        sums.withLock {
                            let old = $0[revision.revision.number] ?? [0, 0]
                            $0[revision.revision.number] = [
                                old[0] + (revision.ended ?? 0), old[1] + (revision.failed ?? 0),
                            ]
                        }
                    }
                }
            }
            defer { following.cancel() }
            router.apply([
                f: Route(targets: [target(1, 40, [good]), target(2, 30, [bad]), target(3, 30, [cut])])
            ])
            for number in 1...3 {
                for _ in 0..<4 { _ = try? await router.get("/fn/f@\(number)") }
            }
            try await eventually("all is told") {
                sums.withLock { $0 } == [1: [4, 0], 2: [4, 4], 3: [4, 4]]
            }
            // With one revision nothing of the kind is counted.
            router.apply([f: Route(targets: [target(2, 1, [bad])])])
            try await eventually("the table is in use") { router.status?.version.number == 2 }
            _ = try await router.get("/fn/f")
            try await Task.sleep(for: .milliseconds(300))
            #expect(sums.withLock { $0[2] } == [4, 4])
        }
    }
}
