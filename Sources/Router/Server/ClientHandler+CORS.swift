import Contract
import NIOCore

// Calls from pages of other origins, for functions that say who may.
extension ClientHandler {
    /// Answers a preflight in place of the function, which goes on sleeping; `false`: it is none, or the function's own business.
    func answerPreflight(_ head: RequestHead, _ facts: RequestFacts, _ id: RequestID, _ key: HoldKey) -> Bool {
        guard head.method == .options, case .function(let name, let aim) = key,
            let route = worker.snapshot?.routes[name],
            let preflight = Preflight(head), let fields = route.cors(of: preflight, in: head.head, aim)
        else { return false }
        guard fields.allows(preflight, in: head.head) else {
            let origin = head.head.text(preflight.origin).prefix(300)
            answer(
                .originNotAllowed,
                detail: "Pages of '\(origin)' may not call '\(name)': its deploy has to name that origin (cors=).",
                to: head, id: id, body: facts, fields: fields.refusal)
            return true
        }
        worker.counters.totals.preflights += 1
        request?.status = 204
        answer(.init(fields: fields.lines(for: preflight, in: head.head)), to: head, id: id, body: facts)
        return true
    }

    /// What the Router's own answer to a request for `key` has, so that the page can read why its request failed.
    func corsFields(_ head: RequestHead?, _ key: HoldKey?) -> String {
        guard let head, let fields = request?.cors ?? cors(of: request?.key ?? key) else { return "" }
        return String(buffer: fields.lines(for: head.head))
    }

    private func cors(of key: HoldKey?) -> CORSFields? {
        guard case .function(let name, let aim) = key, let route = worker.snapshot?.routes[name] else { return nil }
        if case .any = aim, route.isDivided { return route.targets.lazy.compactMap(\.cors).first }
        guard case .success(let target) = route.target(aim, draw: { _ in 0 }) else { return nil }
        return target.cors
    }
}

extension FunctionRoute {
    /// Whose fields answer `preflight`. While revisions share the traffic, nobody knows which one the request itself will go to: then it
    /// is one that allows the origin, if any does; one that leaves CORS to its code is asked before a refusal.
    fileprivate func cors(of preflight: Preflight, in request: borrowing Head, _ aim: Aim) -> CORSFields? {
        guard case .any = aim, isDivided else {
            guard case .success(let target) = target(aim, draw: { _ in 0 }) else { return nil }
            return target.cors
        }
        var refusal: CORSFields?
        var isOpen = false
        for target in targets where target.weight > 0 {
            guard let fields = target.cors else {
                isOpen = true
                continue
            }
            if fields.allows(preflight, in: request) { return fields }
            refusal = fields
        }
        return isOpen ? nil : refusal
    }
}
