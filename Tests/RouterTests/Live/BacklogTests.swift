import Foundation
import Testing

@testable import Router

/// How many connections the system keeps for the Router while it is busy.
@Suite struct BacklogTests {
    @Test func `a socket that was handed over keeps room for a burst of connections`() async throws {
        let descriptor = try loopbackListener(backlog: 4_096)
        defer { close(descriptor) }
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
