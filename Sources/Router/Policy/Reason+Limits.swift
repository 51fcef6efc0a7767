extension Reason {
    /// What is told a client that has met a limit of `configuration`: its number, and the operator's flag that changes it. `nil`: this
    /// reason is none of a limit.
    func detail(_ configuration: RouterConfiguration) -> String? {
        let (limits, timeouts) = (configuration.limits, configuration.timeouts)
        return switch self {
        case .targetTooLong: "The request's path and query are longer than \(limits.targetBytes) bytes (--max-target)."
        case .headTooLarge:
            "The request's head is larger than \(limits.headBytes) bytes (--max-header-bytes) or has more than \(limits.fields) "
                + "fields (--max-headers)."
        case .bodyTooLarge: limits.functionBody.map { "The body is larger than \($0) bytes (--max-body)." }
        case .tooManyConnections:
            "\(limits.connections) connections are open, the most there may be (--max-connections)."
        case .tooManyRequests:
            "All instances of this function have as many requests as its concurrency allows, and \(limits.held) more wait, the most that "
                + "may (--max-waiting)."
        case .queueFull:
            "\(limits.held) requests wait for an instance of this function, the most that may (--max-waiting)."
        case .headTimeout: "The request's head did not arrive within \(timeouts.head.inSeconds) (--header-timeout)."
        case .bodyTimeout:
            "The request's body brought less than \(limits.minimumBodyRate) bytes a second for \(timeouts.body.inSeconds) "
                + "(--body-timeout)."
        case .noInstance:
            "No instance of this function was ready within \(timeouts.hold.inSeconds) (--wait-timeout); GET /func/NAME tells its "
                + "state, /func/NAME/logs what it printed."
        default: nil
        }
    }
}

extension Duration {
    /// `10 s`, or `0.5 s`.
    var inSeconds: String {
        let seconds = self / .seconds(1)
        return seconds == seconds.rounded() ? "\(Int(seconds)) s" : "\(seconds) s"
    }
}
