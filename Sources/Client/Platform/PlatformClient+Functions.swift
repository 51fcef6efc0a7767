import Contract
import Transfer

extension PlatformClient {
    /// The most functions that the platform puts into one answer.
    private static let page = 1000

    /// All functions by name, as one document `{"functions":[…]}` however many pages they come in.
    package func functions(idle: Duration = .seconds(60)) async throws(ClientError) -> JSONValue {
        var functions: [JSONValue] = []
        var next: String?
        repeat {
            var query = [(name: "limit", value: String(Self.page))]
            if let next { query.append(("after", next)) }
            let document = try await call(.get, ["func"], query: query, idle: idle).document
            functions += document["functions"]?.array ?? []
            next = document["next"]?.string
        } while next != nil
        return .object(["functions": .array(functions)])
    }
}
