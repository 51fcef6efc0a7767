import Foundation
import Glibc
import Logging

/// A role that has started; what to do when it has to end.
struct RunningRole: Sendable {
    /// Ends it: gracefully after a signal, leaving containers alone when the supervisor died.
    let stop: @Sendable (ShutdownReason) async -> Void

    init(stop: @escaping @Sendable (ShutdownReason) async -> Void) { self.stop = stop }
}

/// What the commands of all roles have in common.
enum Role {
    /// Starts a role, waits until it has to end, and ends it. A start that fails with a ``StartError`` prints its sentence
    /// and exits with the code that tells the supervisor not to try again.
    static func run(
        _ logs: LogOptions, _ name: String, supervised: Bool,
        start: @Sendable (Logger) async throws -> RunningRole
    ) async throws {
        let logger = try logs.logger(name)
        let reasons = Shutdown.reasons(lifeline: supervised)
        let role: RunningRole
        do {
            role = try await start(logger)
        } catch let error as StartError {
            logger.critical("\(error)")
            Foundation.exit(Supervisor.hopeless)
        } catch {
            logger.critical("cannot start", metadata: ["error": "\(error)"])
            Foundation.exit(1)
        }
        let reason = await reasons.first() ?? .orphaned
        logger.debug("ending", metadata: ["reason": "\(reason)"])
        await role.stop(reason)
    }
}
