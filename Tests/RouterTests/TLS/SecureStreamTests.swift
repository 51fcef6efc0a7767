import Foundation
import Support
import Synchronization
import Testing

@testable import Router

/// Bodies that fit nowhere, over TLS with HTTP/1.1 and HTTP/2: in flat memory, with every byte in its place. The Router is a process of its own;
/// curl is the client.
@Suite(.serialized) struct SecureStreamTests {
    /// How much the Router may grow, whatever the length of the body.
    private static let growth = 8 << 20

    @Test(arguments: ["1.1", "2"])
    func `a long body goes down in flat memory, unchanged`(version: String) async throws {
        let blocks = Blocks()
        try await withSecureProcess { router, certificate in
            let memory = Mutex<MemoryWatch?>(nil)
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                while let request = try? socket.receiveRequest(seconds: 60) {
                    guard request.target == "/large" else {
                        try socket.send(ok())
                        continue
                    }
                    try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(blocks.bytes.count * blocks.count)\r\n\r\n")
                    for _ in 0..<blocks.count {
                        try socket.send(blocks.bytes)
                        memory.withLock { $0?.look() }
                    }
                }
            }
            try await router.route(["f"], to: upstream)
            let url = "https://localhost:\(router.port)/fn/f"
            try await Self.expect(version, certificate, url)
            memory.withLock { $0 = MemoryWatch(process: "\(router.processIdentifier)") }
            // A client slower than the instance at first: what it doesn't take must wait there.
            let check = """
                import sys, time
                block, count = open(sys.argv[1], 'rb').read(), 0
                time.sleep(0.5)
                while piece := sys.stdin.buffer.read(len(block)):
                    if piece != block: sys.exit('block %d is not what was sent' % count)
                    count += 1
                print(count)
                """
            let told = try await blocks.withFile { path in
                try await Self.curl(
                    version, certificate, "\(url)/large | python3 -c \"$SCRIPT\" \(path)", script: check)
            }
            #expect(told == "\(blocks.count)")
            let growth = memory.withLock { $0?.growth ?? .max }
            print("\(blocks.count) MB down, HTTP/\(version): \(growth >> 10) KiB of growth")
            #expect(growth < Self.growth, "\(growth >> 20) MiB")
            upstream.stop()
        }
    }

    @Test(arguments: ["1.1", "2"])
    func `a long body goes up in flat memory, unchanged`(version: String) async throws {
        let blocks = Blocks()
        try await withSecureProcess { router, certificate in
            let memory = Mutex<MemoryWatch?>(nil)
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                while let head = try? socket.receiveHead(seconds: 60) {
                    guard head.target == "/large" else {
                        try socket.send(ok())
                        continue
                    }
                    // An instance slower than the client at first.
                    usleep(500_000)
                    let count = try blocks.receive(from: socket) { memory.withLock { $0?.look() } }
                    try socket.send(ok("\(count)"))
                }
            }
            try await router.route(["f"], to: upstream)
            let url = "https://localhost:\(router.port)/fn/f"
            try await Self.expect(version, certificate, url)
            memory.withLock { $0 = MemoryWatch(process: "\(router.processIdentifier)") }
            let make = """
                import sys
                block = open(sys.argv[1], 'rb').read()
                for _ in range(\(blocks.count)): sys.stdout.buffer.write(block)
                """
            let told = try await blocks.withFile { path in
                try await Self.curl(
                    version, certificate, "--header 'Expect:' --upload-file - \(url)/large",
                    before: "python3 -c \"$SCRIPT\" \(path) |",
                    script: make)
            }
            #expect(told == "\(blocks.count)")
            let growth = memory.withLock { $0?.growth ?? .max }
            print("\(blocks.count) MB up, HTTP/\(version): \(growth >> 10) KiB of growth")
            #expect(growth < Self.growth, "\(growth >> 20) MiB")
            upstream.stop()
        }
    }

    /// One call, which shows that it is this version that is spoken.
    private static func expect(_ version: String, _ certificate: TestCertificate, _ url: String) async throws {
        let spoken = try await curl(version, certificate, "--output /dev/null --write-out '%{http_version}' \(url)")
        #expect(spoken == version)
    }

    /// What the shell prints of `before curl … arguments`, or what went wrong.
    private static func curl(
        _ version: String, _ certificate: TestCertificate, _ arguments: String, before: String = "", script: String = ""
    ) async throws -> String {
        let flag = version == "2" ? "--http2" : "--http1.1"
        let result = try await command(
            "bash",
            [
                "-c",
                "set -o pipefail; \(before) curl --silent --show-error --max-time 300 \(flag) --cacert \(certificate.files.certificate) \(arguments)",
            ], environment: ["SCRIPT": script])
        return result.succeeded
            ? result.output.trimmingCharacters(in: .newlines) : "failed: \(result.output)\(result.errors)"
    }

    private func withSecureProcess(_ body: @Sendable (RouterProcess, TestCertificate) async throws -> Void) async throws
    {
        try await withTemporaryDirectory { directory in
            let certificate = try await TestCertificate(in: directory)
            try await withRouterProcess(
                "--tls-certificate", certificate.files.certificate, "--tls-key", certificate.files.key
            ) { router in try await body(router, certificate) }
        }
    }
}

/// A body of about 64 MB, or with the long forms 1 GiB: the same bytes again and again. They are at random, so that nothing can be lost, doubled
/// or exchanged unnoticed.
private struct Blocks: Sendable {
    let bytes: [UInt8]
    let count = isLong ? 1_074 : 64

    init() {
        var generator = SystemRandomNumberGenerator()
        bytes =
            (0..<125_000).flatMap { _ in
                withUnsafeBytes(of: generator.next()) { Array($0) }
            } + [1, 2, 3]
    }

    /// Gives `body` the path of a file with one block.
    func withFile<Result: Sendable>(_ body: @Sendable (String) async throws -> Result) async throws -> Result {
        try await withTemporaryDirectory { directory in
            try Data(bytes).write(to: URL(filePath: directory + "/block"))
            return try await body(directory + "/block")
        }
    }

    /// Reads a chunked body to its end; returns how many blocks there were. Throws when it is anything else.
    func receive(from socket: RawSocket, look: () -> Void) throws -> Int {
        var place = 0
        var blocks = 0
        while true {
            let line = try socket.receive(through: "\r\n", seconds: 60).dropLast()
            guard var size = Int(line, radix: 16) else { throw RawSocket.Failure(description: "no chunk: \(line)") }
            guard size > 0 else {
                _ = try socket.receive(through: "\r\n")
                guard place == 0 else { throw RawSocket.Failure(description: "\(place) bytes too many") }
                return blocks
            }
            while size > 0 {
                let piece = try socket.receive(min(size, bytes.count - place), seconds: 60)
                // By the system: a comparison in Swift would take minutes in a debug build.
                let difference = bytes[place...].withUnsafeBytes { expected in
                    piece.withUnsafeBytes { found in
                        if let left = expected.baseAddress, let right = found.baseAddress {
                            memcmp(left, right, found.count)
                        } else {
                            CInt(1)
                        }
                    }
                }
                guard difference == 0 else {
                    throw RawSocket.Failure(description: "block \(blocks) is not what was sent")
                }
                size -= piece.count
                place += piece.count
                if place == bytes.count { (place, blocks) = (0, blocks + 1) }
            }
            look()
            _ = try socket.receive(through: "\r\n", seconds: 60)
        }
    }
}
