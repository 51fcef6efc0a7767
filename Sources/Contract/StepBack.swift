/// When a canary has failed: then all of the traffic goes back to the live revision.
package struct StepBack: Hashable, Sendable, Codable {
    /// How many requests are looked at together unless it is said.
    package static let defaultRequests = 100
    /// How many may be.
    package static let mostRequests = 1_000_000

    /// More than so many of 100 requests have to fail, 0.1 to 100.
    package var percent: Double
    /// Of so many requests.
    package var requests: Int

    /// More than `percent` of `requests`.
    package init(percent: Double, requests: Int = StepBack.defaultRequests) {
        self.percent = percent
        self.requests = requests
    }

    /// Reads `5%`, or `0.5`, and a number of requests; throws ``InvalidOption`` for anything else.
    package init(_ percent: String, requests: String?) throws(InvalidOption) {
        let text = percent.hasSuffix("%") ? percent.dropLast() : percent[...]
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let isNumber = (1...2).contains(parts.count) && parts.allSatisfy { Self.isWhole($0) }
        guard isNumber, parts.count == 1 || parts[1].utf8.count == 1, let value = Double(text),
            (0.1...100).contains(value)
        else {
            throw InvalidOption(
                name: "step-back", value: percent,
                reason: "use a percentage from 0.1% to 100%, with at most one place after the point")
        }
        var number = Self.defaultRequests
        if let requests {
            guard Self.isWhole(requests[...]), let given = Int(requests), (1...Self.mostRequests).contains(given) else {
                throw InvalidOption(
                    name: "step-back-requests", value: requests,
                    reason: "use a whole number from 1 to \(Self.mostRequests)")
            }
            number = given
        }
        self.init(percent: value, requests: number)
    }

    private static func isWhole(_ text: Substring) -> Bool {
        text.utf8.count <= 7 && text.isDecimal
    }

    /// The percentage as people write it, `5` or `0.5`.
    package var percentText: String { percent == percent.rounded() ? "\(Int(percent))" : "\(percent)" }
}
