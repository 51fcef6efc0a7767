import Contract

/// What a canary gets of the traffic once it is ready: `traffic=N` of its deploy, and what was said beside it.
package struct CanaryShare: Hashable, Sendable, Codable {
    /// Of 100 requests so many are for it.
    package var percent: Int
    /// What keeps a client on its revision; `nil`: what does so far.
    package var sticky: Stickiness?
    /// When it has failed; `nil`: as it is for those that share the traffic so far.
    package var stepBack: StepBack?

    /// `percent` of the traffic.
    package init(percent: Int, sticky: Stickiness? = nil, stepBack: StepBack? = nil) {
        self.percent = percent
        self.sticky = sticky
        self.stepBack = stepBack
    }

    /// What `request` asks for; `nil`: all of the traffic.
    init?(_ request: DeployRequest) {
        guard let percent = request.traffic else { return nil }
        self.init(percent: percent, sticky: request.sticky, stepBack: request.stepBack)
    }

    /// Whether it has its place in tables that know of nothing but a percentage.
    var isPlain: Bool { sticky == nil && stepBack == nil }
}
