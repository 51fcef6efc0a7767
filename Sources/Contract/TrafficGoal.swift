/// Where `POST /func/NAME/traffic` is to lead the traffic of a function.
package enum TrafficGoal: Hashable, Sendable {
    /// All of it to one revision.
    case all(Int)
    /// To several.
    case split(TrafficSplit)

    /// Reads `7:90,8:10`, with what the other options say; throws ``InvalidOption`` for what cannot be used.
    package init(_ text: String, sticky: String?, stepBack: String? = nil, requests: String? = nil)
        throws(InvalidOption)
    {
        self = try TrafficGoal(text)
        if stepBack == nil, let requests {
            throw InvalidOption(
                name: "step-back-requests", value: requests, reason: "it goes with step-back=PERCENT")
        }
        guard case .split(var split) = self else {
            let options = [("sticky", sticky), ("step-back", stepBack)]
            for case (let name, let value?) in options {
                throw InvalidOption(name: name, value: value, reason: "one revision has all of the traffic")
            }
            return
        }
        split.sticky = if let sticky { try Stickiness(sticky) } else { nil }
        split.stepBack = if let stepBack { try StepBack(stepBack, requests: requests) } else { nil }
        self = .split(split)
    }

    /// Reads `7:90,8:10`; throws ``InvalidOption`` for anything else, and when it does not come to 100.
    package init(_ text: String) throws(InvalidOption) {
        var shares: [TrafficSplit.Share] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let revision = Self.whole(parts[0]), revision > 0,
                let percent = Self.whole(parts[1])
            else {
                throw Self.invalid(
                    text, "write REVISION:PERCENT for each revision, separated by commas, e.g. 7:90,8:10")
            }
            guard !shares.contains(where: { $0.revision == revision }) else {
                throw Self.invalid(text, "it names revision \(revision) twice")
            }
            guard shares.count < TrafficSplit.most else {
                throw Self.invalid(text, "at most \(TrafficSplit.most) revisions may share the traffic")
            }
            shares.append(TrafficSplit.Share(revision: revision, percent: percent))
        }
        let sum = shares.reduce(0) { $0 + $1.percent }
        guard sum == 100 else { throw Self.invalid(text, "the percentages come to \(sum), not to 100") }
        self = shares.count == 1 ? .all(shares[0].revision) : .split(TrafficSplit(shares: shares))
    }

    /// At most nine digits: neither a sum nor a product of these overflows.
    private static func whole(_ text: Substring) -> Int? {
        guard text.utf8.count <= 9, text.isDecimal else { return nil }
        return Int(text)
    }

    private static func invalid(_ text: String, _ reason: String) -> InvalidOption {
        InvalidOption(name: "to", value: text, reason: reason)
    }
}
