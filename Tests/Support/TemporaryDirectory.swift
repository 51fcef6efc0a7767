import FoundationEssentials

/// Runs `body` with a directory of its own, which is removed afterwards.
package func withTemporaryDirectory<Result: Sendable>(
    _ body: @Sendable (_ path: String) async throws -> Result
) async throws -> Result {
    let path = "/tmp/kiln-test-\(UInt64.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}
