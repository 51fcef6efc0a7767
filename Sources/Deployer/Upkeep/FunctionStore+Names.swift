import Contract

extension FunctionStore {
    /// The names of all functions, read a thousand at a time.
    package func names() async throws -> [FunctionName] {
        var names: [FunctionName] = []
        while true {
            let page = try await functions(after: names.last, limit: 1000).map(\.name)
            names += page
            if page.count < 1000 { return names }
        }
    }

    /// All functions with everything about them, read one by one.
    package func records() async throws -> [FunctionRecord] {
        var records: [FunctionRecord] = []
        for name in try await names() {
            if let record = try await function(name) { records.append(record) }
        }
        return records
    }
}
