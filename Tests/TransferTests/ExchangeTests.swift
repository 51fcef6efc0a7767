import FoundationEssentials
import Glibc
import Support
import Testing
import Transfer

/// What the peer says of a request it got.
struct Echo: Decodable {
    var method: String
    var target: String
    var headers: [String]
    var length: Int
    var sha256: String
    var connection: Int

    init(_ response: CollectedResponse) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(response.body))
    }
}

@Suite(.serialized) struct ExchangeTests {
    @Test func `a request arrives as written and its answer comes back`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            let response = try await client.collect(
                ClientRequest(.get, peer.url + "/echo?a=b%20c", headers: ["X-One": "1", "X-Empty": ""]))
            let echo = try Echo(response)
            #expect(response.status == 200)
            #expect(response.headers.values(of: "x-multi") == ["a", "b"])
            #expect(echo.method == "GET")
            #expect(echo.target == "/echo?a=b%20c")
            #expect(echo.headers.contains("X-One: 1"))
            #expect(echo.headers.contains("X-Empty:"))
            #expect(echo.headers.contains("User-Agent: kiln"))
        }
    }

    @Test(arguments: [Method.post, .put, .patch])
    func `a method whose body has a meaning announces that there is none`(method: Method) async throws {
        try await withPeer { peer in
            let echo = try await Echo(HTTPClient().collect(ClientRequest(method, peer.url + "/echo")))
            #expect(echo.method == method.rawValue)
            #expect(echo.headers.contains("Content-Length: 0"))
            #expect(!echo.headers.contains { $0.hasPrefix("Content-Type") || $0.hasPrefix("Expect") })
        }
    }

    @Test(arguments: [Method.head, .delete])
    func `other methods announce no body`(method: Method) async throws {
        try await withPeer { peer in
            let response = try await HTTPClient().collect(ClientRequest(method, peer.url + "/echo"))
            #expect(response.status == 200)
            if method == .delete { #expect(try Echo(response).headers.allSatisfy { !$0.hasPrefix("Content-Length") }) }
        }
    }

    @Test(arguments: [1, 1000, 64 << 10, (64 << 10) + 1, 3 << 20])
    func `a body of bytes arrives whole, with its length and without waiting for leave`(size: Int) async throws {
        try await withPeer { peer in
            let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let echo = try await Echo(
                HTTPClient().collect(
                    ClientRequest(.put, peer.url + "/echo", headers: ["Content-Type": "a/b"], body: .bytes(body))))
            #expect(echo.length == size)
            #expect(echo.method == "PUT")
            #expect(echo.headers.contains("Content-Length: \(size)"))
            #expect(echo.headers.contains("Content-Type: a/b"))
            #expect(!echo.headers.contains { $0.hasPrefix("Expect") })
        }
    }

    @Test func `connections are kept and reused, over TCP and over a unix socket`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            for socket in [nil, peer.socket] {
                var connections: Set<Int> = []
                for _ in 0..<5 {
                    let request = ClientRequest(.post, peer.url + "/echo", socket: socket, body: .text("x"))
                    connections.insert(try await Echo(client.collect(request)).connection)
                }
                #expect(connections.count == 1)
            }
        }
    }

    @Test func `a unix socket is never mistaken for the host of the same name`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            let overTCP = try await Echo(client.collect(ClientRequest(.get, peer.url + "/echo")))
            let overSocket = try await Echo(
                client.collect(ClientRequest(.get, peer.url + "/echo", socket: peer.socket)))
            #expect(overTCP.connection != overSocket.connection)
        }
    }

    @Test func `a redirect comes back as it is`() async throws {
        try await withPeer { peer in
            let response = try await HTTPClient().collect(ClientRequest(.get, peer.url + "/redirect"))
            #expect(response.status == 307)
            #expect(response.headers["location"] == "/echo")
        }
    }

    @Test func `interim answers and trailers are not taken for the answer`() async throws {
        try await withPeer { peer in
            let client = try HTTPClient()
            let interim = try await client.collect(ClientRequest(.get, peer.url + "/interim"))
            #expect(interim.status == 200)
            #expect(interim.text == "final")
            #expect(interim.headers["Link"] == nil)
            let lines = try await client.collect(ClientRequest(.get, peer.url + "/lines?count=2&ms=0"))
            #expect(lines.headers["X-Trailer"] == nil)
            #expect(lines.text == "{\"line\":0}\n{\"line\":1}\n")
        }
    }

    @Test func `an error that comes before the body is sent is the answer`() async throws {
        try await withPeer { peer in
            let body = RequestBody.bytes([UInt8](repeating: 0, count: 8 << 20))
            let client = try HTTPClient()
            do throws(TransferError) {
                let response = try await client.collect(ClientRequest(.post, peer.url + "/early", body: body))
                #expect(response.status == 413)
            } catch {
                // The peer closes with unread data: the reset may overtake its answer.
                #expect(error.isTransient)
            }
        }
    }

    @Test func `an explicit proxy gets the absolute URL`() async throws {
        try await withPeer { peer in
            var configuration = HTTPClient.Configuration()
            configuration.proxy = .proxy(url: peer.url, exceptions: ["direct.test"])
            let response = try await HTTPClient(configuration).collect(ClientRequest(.get, "http://other.test/echo"))
            #expect(try Echo(response).target == "http://other.test/echo")
            let direct = await #expect(throws: TransferError.self) {
                try await HTTPClient(configuration).collect(ClientRequest(.get, "http://direct.test/echo"))
            }
            #expect(direct?.code == .cannotConnect)
        }
    }

    @Test func `no child process inherits a connection`() async throws {
        try await withPeer { peer in
            let answer = try await HTTPClient().execute(ClientRequest(.get, peer.url + "/lines?count=50&ms=1"))
            let port = try #require(peer.url.split(separator: ":").last.flatMap { Int($0) })
            let flags = (Int32(0)..<1024).filter { peerPort(of: $0) == port }.map { fcntl($0, F_GETFD) }
            #expect(flags == [FD_CLOEXEC])
            _ = try await answer.body.collect(limit: 10_000)
        }
    }

    /// In a process of its own, where nothing else opens descriptors and threads.
    @Test func `a client that goes takes its thread and its descriptors along`() async {
        await #expect(processExitsWith: .success) {
            @Sendable func count(_ directory: String) -> Int {
                (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/" + directory).count) ?? 0
            }
            _ = try? await HTTPClient().collect(ClientRequest(.get, "http://127.0.0.1:1/"))
            let (threads, descriptors) = (count("task"), count("fd"))
            for _ in 0..<50 { _ = try? await HTTPClient().collect(ClientRequest(.get, "http://127.0.0.1:1/")) }
            try await waitUntil("all are gone") { count("task") < threads + 10 && count("fd") < descriptors + 10 }
        }
    }

    /// The TCP port at the other end of `descriptor`.
    private func peerPort(of descriptor: Int32) -> Int? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let found = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getpeername(descriptor, $0, &length) == 0 }
        }
        return found && address.sin_family == sa_family_t(AF_INET) ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }
}
