/// Has work on the same thing wait for each other within this process.
actor Turns {
    private var last: [String: (number: Int, task: Task<Void, Never>)] = [:]
    private var count = 0

    /// Does `work` on `thing` when all that was asked for before is done.
    func run<Value: Sendable>(
        _ thing: String, _ work: @escaping @Sendable () async throws(OCIError) -> Value
    ) async throws(OCIError) -> Value {
        let before = last[thing]?.task
        count += 1
        let number = count
        let task = Task<Result<Value, OCIError>, Never> {
            await before?.value
            do throws(OCIError) { return .success(try await work()) } catch { return .failure(error) }
        }
        last[thing] = (number, Task { _ = await task.value })
        let result = await task.value
        if last[thing]?.number == number { last[thing] = nil }
        return try result.get()
    }
}
