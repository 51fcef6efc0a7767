import FoundationEssentials
import Testing
import Transfer

@Suite(.serialized) struct StreamingTests {
    @Test func `lines arrive while the peer goes on`() async throws {
        try await withPeer { peer in
            let response = try await HTTPClient().execute(
                ClientRequest(.get, peer.url + "/lines?count=1000000&ms=5", timeouts: Timeouts(idle: nil)))
            var chunks = 0
            for try await chunk in response.body {
                #expect(chunk.starts(with: "{\"line\":".utf8))
                chunks += 1
                if chunks == 3 { break }
            }
            #expect(chunks == 3)
        }
    }

    @Test(arguments: [nil, 400_000] as [Int?])
    func `a streamed body arrives whole, with and without a length`(length: Int?) async throws {
        try await withPeer { peer in
            let chunks = AsyncStream<[UInt8]> { continuation in
                for index in 0..<400 { continuation.yield([UInt8](repeating: UInt8(index % 251), count: 1000)) }
                continuation.finish()
            }
            let request = ClientRequest(.post, peer.url + "/echo", body: .stream(length: length, chunks))
            let echo = try await Echo(HTTPClient().collect(request))
            #expect(echo.length == 400_000)
            #expect(echo.headers.contains(length == nil ? "Transfer-Encoding: chunked" : "Content-Length: 400000"))
        }
    }

    @Test func `a body that comes slowly is sent as it comes, and an empty one is one`() async throws {
        try await withPeer { peer in
            let slow = AsyncStream<[UInt8]> { continuation in
                Task {
                    for byte in 0..<5 {
                        try await Task.sleep(for: .milliseconds(20))
                        continuation.yield([UInt8(byte)])
                    }
                    continuation.finish()
                }
            }
            let client = try HTTPClient()
            let echo = try await Echo(client.collect(ClientRequest(.post, peer.url + "/echo", body: .stream(slow))))
            #expect(echo.length == 5)
            let none = AsyncStream<[UInt8]> { $0.finish() }
            let empty = try await Echo(client.collect(ClientRequest(.post, peer.url + "/echo", body: .stream(none))))
            #expect(empty.length == 0)
        }
    }

    @Test(arguments: [3, 7]) func `a body that is not as long as announced is refused`(announced: Int) async throws {
        try await withPeer { peer in
            let chunks = AsyncStream<[UInt8]> { continuation in
                continuation.yield([1, 2, 3, 4, 5])
                continuation.finish()
            }
            let error = await #expect(throws: TransferError.self) {
                try await HTTPClient().collect(
                    ClientRequest(.post, peer.url + "/echo", body: .stream(length: announced, chunks)))
            }
            #expect(error?.code == .bodyFailed)
        }
    }

    @Test func `the error of a body's source is the cause`() async throws {
        struct Broken: Error {}
        try await withPeer { peer in
            let chunks = AsyncThrowingStream<[UInt8], any Error> { continuation in
                continuation.yield([1])
                continuation.finish(throwing: Broken())
            }
            let error = await #expect(throws: TransferError.self) {
                try await HTTPClient().collect(ClientRequest(.post, peer.url + "/echo", body: .stream(chunks)))
            }
            #expect(error?.code == .bodyFailed)
            #expect(error?.cause is Broken)
        }
    }

    @Test func `request and answer stream at the same time`() async throws {
        try await withPeer { peer in
            let (chunks, feed) = AsyncStream<[UInt8]>.makeStream()
            feed.yield([0])
            let response = try await HTTPClient().execute(
                ClientRequest(.post, peer.url + "/duplex", body: .stream(chunks)))
            var echoed: [UInt8] = []
            for try await chunk in response.body {
                echoed += chunk
                if let last = echoed.last, last < 9 { feed.yield([last + 1]) } else { feed.finish() }
            }
            #expect(echoed == Array(0...9))
        }
    }

    @Test func `a slow reader holds the peer back`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            let response = try await client.execute(ClientRequest(.get, peer.url + "/big?bytes=268435456&id=held"))
            try await Task.sleep(for: .milliseconds(300))
            let sent = try await client.collect(ClientRequest(.get, peer.url + "/count?id=bigheld"))
            // What the kernel's buffers hold, and not the 256 MiB.
            #expect((Int(sent.text) ?? .max) < 64 << 20)
            var total = 0
            for try await chunk in response.body { total += chunk.count }
            #expect(total == 268_435_456)
        }
    }

    @Test func `a peer that does not read holds the body's source back`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            let pulled = Counter()
            let request = ClientRequest(
                .post, peer.url + "/patient", body: .stream(Chunks(count: 100, size: 1 << 20, pulled: pulled)))
            async let answer = client.collect(request)
            try await Task.sleep(for: .milliseconds(300))
            #expect(pulled.value < 50)
            #expect(try await client.collect(ClientRequest(.get, peer.url + "/go")).status == 404)
            #expect(try await Echo(answer).length == 100 << 20)
            #expect(pulled.value == 100)
        }
    }

    /// In a process of its own, because the memory of the other tests would count.
    @Test func `a gigabyte each way leaves the memory flat`() async {
        await #expect(processExitsWith: .success) {
            try await withPeer { peer in
                let client = try HTTPClient()
                _ = try await client.collect(ClientRequest(.get, peer.url + "/big?bytes=1000000"))
                let before = try residentKilobytes()
                let response = try await client.execute(ClientRequest(.get, peer.url + "/big?bytes=1073741824"))
                var received = 0
                for try await chunk in response.body { received += chunk.count }
                try #require(received == 1 << 30)
                let up = RequestBody.stream(length: 1 << 30, Chunks(count: 1024, size: 1 << 20, pulled: Counter()))
                let sink = try await client.collect(ClientRequest(.post, peer.url + "/sink", body: up))
                try #require(sink.status == 404)
                try #require(try residentKilobytes() - before < 16 << 10)
            }
        }
    }

    @Test func `a file is sent from disk and again when it must be`() async throws {
        let path = "/tmp/kiln-transfer-\(UInt32.random(in: 0 ... .max))"
        try Data(repeating: 7, count: 5 << 20).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await withPeer { peer in
            let client = try HTTPClient()
            let echo = try await Echo(client.collect(ClientRequest(.put, peer.url + "/echo", body: .file(path))))
            #expect(echo.length == 5 << 20)
            #expect(echo.headers.contains("Content-Length: \(5 << 20)"))
            let again = try await client.collect(
                ClientRequest(.put, peer.url + "/flaky?id=file&fails=2", body: .file(path)),
                retrying: RetryPolicy(firstPause: .milliseconds(1)))
            #expect(again.text == "3")
        }
    }
}

/// Chunks made as they are pulled.
struct Chunks: AsyncSequence, Sendable {
    let count: Int
    let size: Int
    let pulled: Counter

    struct Iterator: AsyncIteratorProtocol {
        var left: Int
        let chunk: [UInt8]
        let pulled: Counter

        mutating func next() async -> [UInt8]? {
            guard left > 0 else { return nil }
            left -= 1
            pulled.add()
            return chunk
        }
    }

    func makeAsyncIterator() -> Iterator {
        Iterator(left: count, chunk: [UInt8](repeating: 1, count: size), pulled: pulled)
    }
}

/// The process's resident memory.
func residentKilobytes() throws -> Int {
    let status = try String(contentsOf: URL(filePath: "/proc/self/status"), encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
    return line.split { !$0.isNumber }.first.flatMap { Int($0) } ?? 0
}
