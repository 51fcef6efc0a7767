import Contract
import Service

extension DeployerAPI {
    /// The functions of one answer unless the client says otherwise.
    static let pageSize = 100
    /// The most functions of one answer: a call costs the same however many functions there are.
    static let longestPage = 1000

    private struct FunctionList: Encodable {
        var functions: [FunctionListing]
        /// What `after=` continues with; absent on the last page.
        var next: FunctionName?
    }

    /// A page of the functions, by name. `Link` (RFC 8288) leads to the next one.
    func list(_ request: ServiceRequest) async throws -> ServiceResponse {
        try request.allowQueryItems(["limit", "after"])
        var limit = Self.pageSize
        if let text = try request.queryItem("limit") {
            guard let number = Int(text), (1...Self.longestPage).contains(number) else {
                throw Problem(
                    "invalid-option", 400, "Invalid option",
                    "Option 'limit' takes a number from 1 to \(Self.longestPage).")
            }
            limit = number
        }
        let after = try request.queryItem("after").map { (text) throws(Problem) in try Self.name(text) }
        var summaries = try await reconciler.store.functions(after: after, limit: limit + 1)
        let more = summaries.count > limit
        if more { summaries.removeLast() }
        var listings: [FunctionListing] = []
        for summary in summaries { listings.append(await listing(summary)) }
        await noteBases(&listings)
        let next = more ? summaries.last?.name : nil
        var answer = try ServiceResponse.json(FunctionList(functions: listings, next: next))
        if let next {
            let link = request.externalURL("/func?limit=\(limit)&after=\(next)")
            answer.headers.append(("Link", "<\(link)>; rel=\"next\""))
        }
        return answer
    }
}
