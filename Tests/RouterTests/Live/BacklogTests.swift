import Foundation
import Testing

@testable import Router

/// How many connections the system keeps for the Router while it is busy.
@Suite struct BacklogTests {
    @Test func `a socket that was handed over keeps room for a burst of connections`() async throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(bound == 0 && listen(descriptor, 4_096) == 0)
        let before = backlog(descriptor)
        try #require(before > 128)
        try await withRouter(configure: { $0.listen = .inherited(descriptor: dup(descriptor)) }) { router in
            #expect(backlog(descriptor) == before)
            let answer = try await router.get("/healthz")
            #expect(answer.status == 200)
        }
    }

    /// The most connections that may wait at a socket that listens: Linux tells it in this place of TCP_INFO.
    private func backlog(_ descriptor: CInt) -> UInt32 {
        var info = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        let told = getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length)
        return told == 0 ? info.tcpi_sacked : 0
    }
}
