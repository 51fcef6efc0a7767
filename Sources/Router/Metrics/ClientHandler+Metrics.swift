import Contract
import Logging
import NIOCore

// Where requests are counted. A few additions and two readings of the clock a request; measured by benchmarks/router.
extension ClientHandler {
    /// The present request has a place at an instance.
    func countPlace(_ route: FunctionRoute) {
        guard let request else { return }
        let counters = request.counters ?? beginCounting(request, route)
        guard let since = request.heldSince else { return }
        request.heldSince = nil
        counters.waited((.now() - since).nanoseconds)
    }

    /// A final head of `status` has come from an instance.
    func countHead(_ request: Request, _ status: Int) {
        request.status = status
        request.trace?.answered(status)
        request.counters?.answered(after: (worker.now - request.sentAt).nanoseconds)
    }

    /// The Router answers the present request itself, for `reason`: also one that never had a place counts for its function.
    func countRefusal(_ reason: Reason) {
        guard let request else { return }
        request.status = reason.status
        guard request.counters == nil, case .function(let name, _) = request.key,
            let route = worker.snapshot?.routes[name]
        else { return }
        countPlace(route)
    }

    /// The present response, if one has begun, or tunnel is about to be broken off.
    func countCut(_ cut: Cut) {
        guard let request else { return }
        switch phase {
        case .exchanging where request.exchange.download == .open, .tunnel: break
        default: return
        }
        worker.counters.totals.cuts[cut, default: 0] += 1
        if cut == .upstreamClosed || cut == .upstreamMalformed { request.isBroken = true }
        if isDescribed {
            request.reason = cut.rawValue
            request.trace?.lost(cut.rawValue)
        }
        worker.log(.info, "response broken off") {
            [
                "requestId": "\(request.id.text(request.head.head))", "reason": "\(cut.rawValue)",
                "endpoint": "\(request.assignment?.endpoint.shared.endpoint.id ?? "-")",
            ]
        }
    }

    /// `request` is over, whatever came of it.
    func countEnd(_ request: Request) {
        if let accessLog = worker.settings.configuration.accessLog { log(request, to: accessLog) }
        if let trace = request.trace, let tracing = worker.settings.configuration.tracing {
            record(request, trace, to: tracing)
        }
        guard let counters = request.counters else { return }
        request.counters = nil
        // One whose client has gone before an answer says nothing about the function.
        if let outcomes = request.outcomes, request.status > 0 {
            outcomes.end(failed: request.status >= 500 || request.isBroken)
        }
        let outcome: FunctionCounters.Outcome = request.status == 0 ? .abandoned : .init(status: request.status)
        counters.end(outcome, after: (worker.now - request.began).nanoseconds)
    }

    private func beginCounting(_ request: Request, _ route: FunctionRoute) -> FunctionCounters {
        let counters = worker.counters.counters(of: route)
        counters.begin()
        request.counters = counters
        return counters
    }
}
