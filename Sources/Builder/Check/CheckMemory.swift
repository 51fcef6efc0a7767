import Contract
import Synchronization

/// Remembers what came of checks, by what was checked, so that a source that goes back and forth is judged once. What was
/// found out lately stays, within bounds.
package final class CheckMemory: Sendable {
    /// Most results of either kind, and most bytes of all that is remembered.
    package static let capacity = (results: 256, bytes: 16 << 20)

    /// What a result is remembered by: everything that it depends on, the checker (which comes with the base image) too.
    enum Key: Hashable {
        case check(Digest)
        case types(Digest, isLenient: Bool, packages: Digest?)
    }

    private enum Result {
        case check(CheckResult)
        case types(TypesResult)
    }

    private struct State {
        var results: [Key: (result: Result, bytes: Int, used: Int)] = [:]
        var bytes = 0
        var uses = 0
    }

    private let state = Mutex(State())

    /// An empty memory.
    package init() {}

    /// The result of a check by `key`; makes it with `work` if it is not known.
    func check(_ key: Key, _ work: () async throws -> CheckResult) async throws -> CheckResult {
        if case .check(let known) = look(key) { return known }
        let result = try await work()
        if case .passed(let module) = result {
            keep(.check(result), key, bytes: module.size)
        } else if case .failed(let findings) = result, Self.isLasting(findings) {
            keep(.check(result), key, bytes: Self.bytes(findings))
        }
        return result
    }

    /// The result of a check of types by `key`; makes it with `work` if it is not known. What could not be judged is not kept.
    func types(_ key: Key, _ work: () async throws -> TypesResult) async throws -> TypesResult {
        if case .types(let known) = look(key) { return known }
        let result = try await work()
        switch result {
        case .passed: keep(.types(result), key, bytes: 0)
        case .failed(let findings) where Self.isLasting(findings):
            keep(.types(result), key, bytes: Self.bytes(findings))
        case .failed, .unchecked: break
        }
        return result
    }

    /// Whether findings follow from the source alone: what was too much for the checker may not be on a quieter machine.
    private static func isLasting(_ findings: Findings) -> Bool {
        !findings.diagnostics.contains { $0.code == "too-complex" }
    }

    private static func bytes(_ findings: Findings) -> Int {
        findings.diagnostics.reduce(0) { $0 + $1.message.utf8.count + $1.file.utf8.count + 64 }
    }

    private func look(_ key: Key) -> Result? {
        state.withLock { state in
            guard let known = state.results[key] else { return nil }
            state.uses += 1
            state.results[key]?.used = state.uses
            return known.result
        }
    }

    private func keep(_ result: Result, _ key: Key, bytes: Int) {
        guard bytes < Self.capacity.bytes / 4 else { return }
        state.withLock { state in
            state.uses += 1
            state.bytes += bytes - (state.results[key]?.bytes ?? 0)
            state.results[key] = (result, bytes, state.uses)
            while state.results.count > Self.capacity.results || state.bytes > Self.capacity.bytes {
                guard let oldest = state.results.min(by: { $0.value.used < $1.value.used }) else { break }
                state.results[oldest.key] = nil
                state.bytes -= oldest.value.bytes
            }
        }
    }
}
