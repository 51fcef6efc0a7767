import NIOCore
import Testing

@testable import Router

private let refusal = Exchange.Loss.answer(.upstreamClosed)

@Suite struct ExchangeTests {
    private func exchange(_ method: String = "GET", _ fields: String = "") throws -> Exchange {
        let head = try requestHead("\(method) /fn/x HTTP/1.1\nHost: h\n\(fields)\n")
        return Exchange(head.method, try RequestFacts(head))
    }

    // MARK: Retry

    /// Whether a request is sent again when its connection closes, by method, body, and what had happened.
    @Test(arguments: [
        ("GET", "", true, false, Exchange.Loss.retry), ("HEAD", "", true, false, .retry),
        ("DELETE", "", true, false, .retry), ("PUT", "", true, false, .retry), ("OPTIONS", "", true, false, .retry),
        ("POST", "", true, false, refusal), ("PATCH", "", true, false, refusal), ("BREW", "", true, false, refusal),
        ("POST", "Content-Length: 3\n", true, false, refusal), ("PUT", "Content-Length: 3\n", true, false, refusal),
        ("GET", "Transfer-Encoding: chunked\n", true, false, refusal),
        ("GET", "Connection: upgrade\nUpgrade: websocket\n", true, false, refusal),
        ("GET", "", false, false, .retryElsewhere), ("PUT", "", false, false, .retryElsewhere),
        ("POST", "", false, false, refusal), ("PUT", "Content-Length: 3\n", false, false, refusal),
        ("GET", "", true, true, refusal), ("GET", "", false, true, refusal),
    ])
    func `only what can be repeated is, and before an answer; over a new connection only elsewhere`(
        method: String, fields: String, reused: Bool, interim: Bool, loss: Exchange.Loss
    ) throws {
        var exchange = try exchange(method, fields)
        exchange.begin(reused: reused)
        if interim { exchange.interim() }
        #expect(exchange.lost(.upstreamClosed, waited: .zero) == loss)
    }

    @Test func `a request that was worked on for a while is not sent again`() throws {
        for (waited, loss) in [(Duration.seconds(1), Exchange.Loss.retry), (.seconds(2), .answer(.upstreamClosed))] {
            var exchange = try exchange()
            exchange.begin(reused: true)
            #expect(exchange.lost(.upstreamClosed, waited: waited) == loss)
        }
    }

    @Test func `what is no HTTP is not asked for again`() throws {
        var exchange = try exchange()
        exchange.begin(reused: true)
        #expect(exchange.lost(.upstreamMalformed, waited: .zero) == .answer(.upstreamMalformed))
    }

    @Test func `a response that breaks off is broken off`() throws {
        var exchange = try exchange()
        exchange.begin(reused: true)
        _ = exchange.headReceived(selfDelimiting: true)
        #expect(exchange.lost(.upstreamClosed, waited: .zero) == .abort)
    }

    @Test func `the end of a connection after the response is none of the client's business`() throws {
        var exchange = try exchange()
        _ = exchange.headReceived(selfDelimiting: true)
        _ = exchange.responseEnded(upstreamPersistent: true, discardable: false)
        #expect(exchange.lost(.upstreamClosed, waited: .zero) == .none)
    }

    // MARK: Ends

    @Test(arguments: [
        ("GET", "", true, Exchange.ClientEnd.next, Exchange.UpstreamEnd.keep), ("GET", "", false, .next, .close),
        ("GET", "Connection: close\n", true, .close, .keep),
    ])
    func `a whole exchange leaves both connections as they want it`(
        method: String, fields: String, persistent: Bool, client: Exchange.ClientEnd, upstream: Exchange.UpstreamEnd
    ) throws {
        var exchange = try exchange(method, fields)
        #expect(exchange.headReceived(selfDelimiting: true) == (client == .next))
        let end = exchange.responseEnded(upstreamPersistent: persistent, discardable: false)
        #expect(end == (client, upstream))
    }

    @Test(arguments: [(true, Exchange.ClientEnd.discard), (false, .close)])
    func `an early response stops the upload`(discardable: Bool, client: Exchange.ClientEnd) throws {
        var exchange = try exchange("POST", "Content-Length: 100\n")
        #expect(exchange.headReceived(selfDelimiting: true) == true)
        let end = exchange.responseEnded(upstreamPersistent: true, discardable: discardable)
        #expect(end == (client, .close))
        #expect(exchange.upload == .stopped)
    }

    @Test func `both directions may flow at once, the response ending last`() throws {
        var exchange = try exchange("POST", "Transfer-Encoding: chunked\n")
        #expect(exchange.headReceived(selfDelimiting: true) == true)
        exchange.uploadEnded()
        #expect(exchange.responseEnded(upstreamPersistent: true, discardable: false) == (.next, .keep))
    }

    @Test func `a client that still waits for 100 Continue gets its answer and a closed connection`() throws {
        var exchange = try exchange("POST", "Content-Length: 100\nExpect: 100-continue\n")
        #expect(exchange.headReceived(selfDelimiting: true) == false)
        var told = try self.exchange("POST", "Content-Length: 100\nExpect: 100-continue\n")
        told.continued()
        #expect(told.headReceived(selfDelimiting: true) == true)
    }

    @Test func `a response that only the connection's end delimits closes it`() throws {
        var exchange = try exchange()
        #expect(exchange.headReceived(selfDelimiting: false) == false)
    }
}

@Suite struct WaitTests {
    @Test(arguments: [
        (Wait.firstRequest, false, Wait.Outcome.close), (.nextRequest, false, .close),
        (.head, false, .answer(.headTimeout)),
        (.instance(.now()), false, .giveUp), (.body, false, .answer(.bodyTimeout)), (.body, true, .abort),
        (.response(.seconds(1)), false, .answer(.responseTimeout)), (.response(.seconds(1)), true, .abort),
        (.stream, true, .abort), (.tunnel, true, .close), (.linger, true, .close),
    ])
    func `what takes too long ends as it must`(wait: Wait, answered: Bool, outcome: Wait.Outcome) {
        #expect(wait.outcome(answered: answered) == outcome)
    }

    @Test func `a body must come at its rate, unless it is kept from coming`() {
        func verdict(_ pace: inout BodyPace) -> BodyPace.Verdict {
            pace.endWindow(minimumBytes: 100, window: .seconds(10), patience: .seconds(30))
        }
        var pace = BodyPace()
        pace.moved(100)
        #expect(verdict(&pace) == .fine)
        pace.moved(99)
        #expect(verdict(&pace) == .clientTooSlow)
        pace = BodyPace()
        pace.hinder()
        #expect([verdict(&pace), verdict(&pace), verdict(&pace)] == [.fine, .fine, .instanceTooSlow])
        pace = BodyPace()
        pace.hinder()
        #expect(verdict(&pace) == .fine)
        pace.moved(1)
        #expect(verdict(&pace) == .fine)
        #expect(verdict(&pace) == .clientTooSlow)
    }
}
