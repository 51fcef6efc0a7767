import Foundation
import Synchronization

/// A connection that sends and receives exactly the bytes it is told to, blocking, with a deadline on everything.
final class RawSocket: Sendable {
    struct Failure: Error, CustomStringConvertible { let description: String }

    let descriptor: CInt
    private let closed = Mutex(false)
    private let buffered = Mutex<[UInt8]>([])

    init(_ descriptor: CInt) { self.descriptor = descriptor }
    deinit { close() }

    /// Connects to `port` on this machine, by a socket whose options `prepare` has set.
    static func connect(_ port: Int, prepare: (CInt) -> Void = { _ in }) throws -> RawSocket {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        prepare(descriptor)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure(description: "connect: \(String(cString: strerror(errno)))") }
        var one: CInt = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
        return RawSocket(descriptor)
    }

    // MARK: Sending

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "send: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    /// Sends nothing more; the other direction stays open.
    func endOutput() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes with a reset, as a program that dies does.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func close() {
        closed.withLock { closed in
            if !closed { Glibc.close(descriptor) }
            closed = true
        }
    }

    // MARK: Receiving

    /// Some bytes; empty at the end. Throws when none come in time or the connection is reset.
    func receiveSome(_ limit: Int = 65_536, seconds: Double = 5) throws -> [UInt8] {
        let waiting = takeBuffered()
        if !waiting.isEmpty { return waiting }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, Int32(seconds * 1000)) > 0 else { throw Failure(description: "nothing received in time") }
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &buffer, limit, 0)
        guard count >= 0 else { throw Failure(description: "recv: \(String(cString: strerror(errno)))") }
        return Array(buffer[..<count])
    }

    /// What has been received and not asked for.
    func takeBuffered() -> [UInt8] {
        buffered.withLock { bytes in
            defer { bytes = [] }
            return bytes
        }
    }

    /// Exactly `count` bytes.
    func receive(_ count: Int, seconds: Double = 5) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receiveSome(seconds: seconds)
            guard !more.isEmpty else { throw Failure(description: "ended after \(bytes.count) of \(count) bytes") }
            bytes += more
        }
        buffered.withLock { $0 = Array(bytes[count...]) }
        return Array(bytes[..<count])
    }

    /// Everything up to and including `mark`.
    func receive(through mark: String, seconds: Double = 5) throws -> String {
        let mark = Array(mark.utf8)
        var bytes: [UInt8] = []
        while true {
            if let end = bytes.end(of: mark) {
                buffered.withLock { $0 = Array(bytes[end...]) }
                return String(decoding: bytes[..<end], as: UTF8.self)
            }
            let more = try receiveSome(seconds: seconds)
            guard !more.isEmpty else {
                throw Failure(description: "ended after '\(String(decoding: bytes, as: UTF8.self).prefix(300))'")
            }
            bytes += more
        }
    }

    /// Everything until the peer ends the connection; a reset throws.
    func receiveAll(seconds: Double = 5) throws -> String {
        var bytes: [UInt8] = []
        while true {
            let more = try receiveSome(seconds: seconds)
            if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
            bytes += more
        }
    }
}

extension [UInt8] {
    /// Where the first `mark` ends.
    func end(of mark: [UInt8]) -> Int? {
        guard count >= mark.count else { return nil }
        for start in 0...(count - mark.count) where self[start..<(start + mark.count)].elementsEqual(mark) {
            return start + mark.count
        }
        return nil
    }
}

/// A message as it came over a socket.
struct RawMessage: Sendable {
    var line: String
    var fields: [(name: String, value: String)]
    var body: [UInt8] = []
    var trailers: [(name: String, value: String)] = []
    /// Whether it came in chunks.
    var chunked = false

    var status: Int { Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0 }
    var target: String { line.split(separator: " ").dropFirst().first.map(String.init) ?? "" }
    var method: String { line.split(separator: " ").first.map(String.init) ?? "" }
    var text: String { String(decoding: body, as: UTF8.self) }

    subscript(name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }
    func values(_ name: String) -> [String] { fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value) }
}

extension RawSocket {
    /// A message's head.
    func receiveHead(seconds: Double = 5) throws -> RawMessage {
        let lines = try receive(through: "\r\n\r\n", seconds: seconds).split(separator: "\r\n").map(String.init)
        return RawMessage(line: lines.first ?? "", fields: Self.fields(lines.dropFirst()))
    }

    /// A message's head as it is, with its last line.
    func receiveHeadBytes(seconds: Double = 5) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.end(of: [13, 10, 13, 10]) == nil {
            let more = try receiveSome(seconds: seconds)
            guard !more.isEmpty else { throw Failure(description: "ended after \(bytes.count) bytes of a head") }
            bytes += more
        }
        return bytes
    }

    /// A whole request.
    func receiveRequest(seconds: Double = 5) throws -> RawMessage {
        var message = try receiveHead(seconds: seconds)
        try receiveBody(&message, untilClose: false, seconds: seconds)
        return message
    }

    /// A whole response; 1xx ones come by themselves.
    func receiveResponse(to method: String = "GET", seconds: Double = 5) throws -> RawMessage {
        var message = try receiveHead(seconds: seconds)
        if method == "HEAD" || message.status < 200 || message.status == 204 || message.status == 304 { return message }
        try receiveBody(&message, untilClose: true, seconds: seconds)
        return message
    }

    private func receiveBody(_ message: inout RawMessage, untilClose: Bool, seconds: Double) throws {
        if message["Transfer-Encoding"] == "chunked" {
            message.chunked = true
            while true {
                let line = try receive(through: "\r\n", seconds: seconds).dropLast()
                guard let size = Int(line.filter(\.isHexDigit), radix: 16) else {
                    throw Failure(description: "no chunk size: \(line)")
                }
                if size == 0 { break }
                message.body += try receive(size, seconds: seconds)
                _ = try receive(through: "\r\n", seconds: seconds)
            }
            var lines: [String] = []
            while let line = Optional(try receive(through: "\r\n", seconds: seconds)), line != "\r\n" {
                lines.append(line.replacingOccurrences(of: "\r\n", with: ""))
            }
            message.trailers = Self.fields(lines[...])
        } else if let length = message["Content-Length"].flatMap(Int.init) {
            message.body = try receive(length, seconds: seconds)
        } else if untilClose {
            message.body = Array(try receiveAll(seconds: seconds).utf8)
        }
    }

    private static func fields(_ lines: ArraySlice<String>) -> [(name: String, value: String)] {
        lines.map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : "")
        }
    }
}

/// Runs `body`, which blocks, on a thread of its own, so that it doesn't hold up the tasks of other tests. What it
/// expects is still this test's.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withTaskExecutorPreference(ThreadPerJob()) { try body() }
}

private final class ThreadPerJob: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }.start()
    }
}

/// A socket that listens on a free port of this machine, for a Router that is handed one.
func loopbackListener(backlog: CInt) throws -> CInt {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
    }
    guard result == 0, listen(descriptor, backlog) == 0 else {
        throw RawSocket.Failure(description: "listen: \(String(cString: strerror(errno)))")
    }
    return descriptor
}

/// The port of a socket that is bound to one.
func localPort(_ descriptor: CInt) throws -> Int {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard result == 0 else { throw RawSocket.Failure(description: "getsockname: \(String(cString: strerror(errno)))") }
    return Int(in_port_t(bigEndian: address.sin_port))
}
