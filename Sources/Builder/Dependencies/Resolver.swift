import Contract
import FoundationEssentials
import Transfer

/// Has imports resolved in the checker's container (`base-image/resolve.js`), over connections that it opens for it.
struct Resolver: Sendable {
    let client: HTTPClient
    let settings: DependencySettings

    /// Resolves `imports`, beginning with `lock`. Throws a ``Contract/Problem`` with a diagnostic for each import that cannot be resolved, and
    /// ``BuilderError`` when there is no resolution at all.
    func resolve(
        _ imports: [ExternalImport], file: String, at endpoint: Endpoint, lock: LockSource
    ) async throws -> Resolution {
        let ledger = ConnectionLedger(settings)
        let seconds = settings.seconds
        let resolution = try await withThrowingTaskGroup(of: Resolution.self) { group in
            group.addTask { try await exchange(imports, lock, ledger, endpoint) }
            group.addTask {
                // The resolver has this deadline itself; this one is for a resolver that does not keep it.
                try await Task.sleep(for: .seconds(seconds + 20))
                throw ImportProblems.slow(seconds: seconds)
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
        guard resolution.faults.isEmpty, !ledger.isExhausted else {
            throw ImportProblems(imports: imports, file: file, settings: settings, lock: lock, ledger: ledger)
                .problem(resolution.faults)
        }
        return resolution
    }

    private struct Order: Encodable {
        struct Import: Encodable {
            var specifier: String
            var type: String?
            var types: Bool?
        }

        var imports: [Import]
        var npm: String
        var jsr: String
        var certificates: String?
        var seconds: Int
        var bytes: Int
        var files: Int
        var lock: String?
        var frozen: Bool?
    }

    private func exchange(
        _ imports: [ExternalImport], _ lock: LockSource, _ ledger: ConnectionLedger, _ endpoint: Endpoint
    ) async throws -> Resolution {
        let order = Order(
            imports: imports.map { .init(specifier: $0.specifier, type: $0.type, types: $0.types) },
            npm: settings.npmRegistry,
            jsr: settings.jsrURL, certificates: settings.certificates, seconds: settings.seconds, bytes: settings.bytes,
            files: settings.files, lock: try lock.lock?.text(), frozen: lock.isFrozen ? true : nil)
        let request = ClientRequest(
            .post, endpoint.address.url("/resolve"), socket: endpoint.address.socket,
            body: .bytes(Array(try JSONEncoder().encode(order))),
            timeouts: Timeouts(connect: .seconds(2), total: nil, idle: nil))
        let answer: ClientResponse
        do {
            answer = try await client.execute(request)
        } catch {
            throw Self.lost(error)
        }
        switch answer.status {
        case 200: break
        case 503:
            throw BuilderError(.checkerUnavailable, "The resolver has too much to do; try again in a moment.")
        default: throw BuilderError(.checkerAnswer, "The resolver answered with status \(answer.status).")
        }
        let tunnel = Tunnel(
            client: client, checker: endpoint, policy: settings.policy, silence: settings.silence, ledger: ledger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            var reader = ResolutionReader(settings)
            do {
                for try await bytes in answer.body {
                    for action in try reader.take(bytes) {
                        switch action {
                        case .connect(let id, let host, let port):
                            group.addTask { await tunnel.carry(id, host, port) }
                        case .close(let id): ledger.close(id)
                        }
                    }
                    if reader.isComplete { return reader.resolution }
                }
            } catch let error as TransferError {
                throw Self.lost(error)
            }
            throw BuilderError(.checkerUnavailable, "The resolver ended in the middle; it is being restarted.")
        }
    }

    private static func lost(_ error: TransferError) -> BuilderError {
        BuilderError(.checkerUnavailable, "The resolver does not answer; it is being restarted.", cause: error)
    }
}
