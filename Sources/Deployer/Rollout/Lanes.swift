import Contract

/// Lets one operation at a time through for each function, in the order of arrival.
actor Lanes {
    private var waiting: [FunctionName: [CheckedContinuation<Void, Never>]] = [:]

    /// Runs `operation` alone among those of `name`.
    nonisolated func run<Value: Sendable>(
        _ name: FunctionName, _ operation: @Sendable () async throws -> Value
    ) async throws -> Value {
        await enter(name)
        do {
            let value = try await operation()
            await leave(name)
            return value
        } catch {
            await leave(name)
            throw error
        }
    }

    private func enter(_ name: FunctionName) async {
        guard waiting[name] != nil else {
            waiting[name] = []
            return
        }
        await withCheckedContinuation { waiting[name]?.append($0) }
    }

    private func leave(_ name: FunctionName) {
        guard var queue = waiting[name], !queue.isEmpty else {
            waiting[name] = nil
            return
        }
        let next = queue.removeFirst()
        waiting[name] = queue
        next.resume()
    }
}
