import Support
import Testing
import Transfer

@Suite(.serialized) struct FailureTests {
    @Test(arguments: [
        ("/drop", TransferError.Code.connectionLost), ("/truncated", .truncated), ("/truncated-chunk", .truncated),
        ("/garbage", .malformedAnswer), ("/long-head", .tooLarge), ("/big?bytes=2000", .tooLarge),
    ])
    func `what a peer does wrong has a name`(path: String, code: TransferError.Code) async throws {
        try await withPeer { peer in
            let error = await #expect(throws: TransferError.self) {
                try await HTTPClient().collect(ClientRequest(.get, peer.url + path), limit: 1000)
            }
            #expect(error?.code == code)
            #expect(error?.message.contains("?") == false, "a query may hold secrets")
        }
    }

    @Test func `bytes before the break are still delivered`() async throws {
        try await withPeer { peer in
            let response = try await HTTPClient().execute(ClientRequest(.get, peer.url + "/truncated"))
            var bytes: [UInt8] = []
            var failure: TransferError?
            do throws(TransferError) { for try await chunk in response.body { bytes += chunk } } catch {
                failure = error
            }
            #expect(bytes == Array("abc".utf8))
            #expect(failure?.code == .truncated)
        }
    }

    @Test(arguments: [
        "ftp://127.0.0.1/", "127.0.0.1", "http://a b/", "http://user:pass@127.0.0.1/", "http://127.0.0.1:99999/",
        "file:///etc/passwd",
    ])
    func `a URL that is none of ours is refused`(url: String) async throws {
        let error = await #expect(throws: TransferError.self) {
            try await HTTPClient().collect(ClientRequest(.get, url))
        }
        #expect(error?.code == .invalidRequest)
    }

    @Test func `a header that would add a line is refused`() async throws {
        let request = ClientRequest(.get, "http://127.0.0.1:1/", headers: ["X": "a\r\nEvil: 1"])
        let error = await #expect(throws: TransferError.self) { try await HTTPClient().collect(request) }
        #expect(error?.code == .invalidRequest)
    }

    @Test func `nobody listening is told from a wrong path to a socket`() async throws {
        let client = try HTTPClient()
        for socket in [nil, "/nonexistent.sock"] {
            let error = await #expect(throws: TransferError.self) {
                try await client.collect(ClientRequest(.get, "http://127.0.0.1:1/", socket: socket))
            }
            #expect(error?.code == .cannotConnect)
        }
    }

    @Test func `each limit in time ends the exchange`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            for timeouts in [
                Timeouts(total: .milliseconds(100)), Timeouts(idle: .milliseconds(100)),
            ] {
                for path in ["/hang", "/hang?head=0"] {
                    let start = ContinuousClock.now
                    let error = await #expect(throws: TransferError.self) {
                        try await client.collect(ClientRequest(.get, peer.url + path, timeouts: timeouts))
                    }
                    #expect(error?.code == .timedOut)
                    #expect(.now - start < .seconds(10))
                }
            }
        }
    }

    @Test func `a reader that takes its time is not the peer's silence`() async throws {
        try await withPeer { peer in
            let response = try await HTTPClient().execute(
                ClientRequest(.get, peer.url + "/big?bytes=33554432", timeouts: Timeouts(idle: .seconds(1))))
            try await Task.sleep(for: .seconds(2))
            #expect(try await response.body.collect(limit: 1 << 30).count == 33_554_432)
        }
    }

    @Test func `cancelling the task closes the connection`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            for (id, path) in [("head", "/hang?head=0&id=head"), ("body", "/hang?id=body")] {
                let task = Task { try await client.collect(ClientRequest(.get, peer.url + path)) }
                try await waitUntil("the peer has the request") {
                    try await client.collect(ClientRequest(.get, peer.url + "/count?id=\(id)")).text == "1"
                }
                task.cancel()
                let error = await #expect(throws: TransferError.self) { try await task.value }
                #expect(error?.code == .cancelled)
                #expect(try await client.collect(ClientRequest(.get, peer.url + "/closed?id=\(id)")).status == 200)
            }
        }
    }

    @Test func `a task that is cancelled already sends nothing`() async throws {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await HTTPClient().collect(ClientRequest(.get, "http://127.0.0.1:1/"))
        }
        let error = await #expect(throws: TransferError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }

    @Test func `a body nobody reads any more closes the connection`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            do {
                let response = try await client.execute(ClientRequest(.get, peer.url + "/hang?id=dropped"))
                #expect(response.status == 200)
            }
            #expect(try await client.collect(ClientRequest(.get, peer.url + "/closed?id=dropped")).status == 200)
        }
    }

    @Test func `a client may go while its answer is read`() async throws {
        try await withPeer { peer in
            let response = try await HTTPClient().execute(ClientRequest(.get, peer.url + "/lines?count=3&ms=30"))
            #expect(try await response.body.collect(limit: 1000).count == 33)
        }
    }

    @Test func `an address that a rule forbids is not called, on a kept connection neither`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            #expect(try await client.collect(ClientRequest(.get, peer.url + "/echo")).status == 200)
            let none = AddressRule { $0 != .ipv4([127, 0, 0, 1]) }
            for client in [client, try HTTPClient()] {
                let error = await #expect(throws: TransferError.self) {
                    try await client.collect(ClientRequest(.get, peer.url + "/echo", addressRule: none))
                }
                #expect(error?.code == .addressRefused)
            }
            let all = AddressRule { $0 == .ipv4([127, 0, 0, 1]) }
            #expect(try await client.collect(ClientRequest(.get, peer.url + "/echo", addressRule: all)).status == 200)
        }
    }
}
