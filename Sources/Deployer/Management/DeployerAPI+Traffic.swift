import Contract
import Service

extension DeployerAPI {
    /// `POST /func/NAME/traffic?to=7:90,8:10`.
    func traffic(_ request: ServiceRequest, _ name: FunctionName) async throws -> ServiceResponse {
        try allow(request, "POST")
        try request.allowQueryItems(["to", "sticky", "step-back", "step-back-requests"])
        guard let text = try request.queryItem("to") else {
            throw Problem(
                "invalid-option", 400, "Invalid option",
                "Say which revision gets how much of the traffic: ?to=7:90,8:10.")
        }
        let sticky = try request.queryItem("sticky")
        let stepBack = try request.queryItem("step-back")
        let requests = try request.queryItem("step-back-requests")
        let goal: TrafficGoal
        do throws(InvalidOption) {
            goal = try TrafficGoal(text, sticky: sticky, stepBack: stepBack, requests: requests)
        } catch {
            throw Problem("invalid-option", 400, "Invalid option", error.description)
        }
        var answer = try await reconciler.divide(name, goal)
        answer.url = request.externalURL(answer.url)
        return try .json(answer)
    }
}
