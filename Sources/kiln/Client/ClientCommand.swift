import ArgumentParser
import Client
import Glibc

/// A command that talks to a platform, or helps somebody who does: it prints by the rules of docs/cli.md and ends with its exit codes.
protocol ClientCommand: AsyncParsableCommand {
    var output: OutputOptions { get }

    /// Does the work; what it throws is printed and becomes the exit code.
    func perform(_ printer: Printer) async throws(ClientError)
}

extension ClientCommand {
    func run() async throws {
        // A pipe that nobody reads any more is found out by writing to it.
        signal(SIGPIPE, SIG_IGN)
        let printer = output.printer
        do throws(ClientError) {
            try await perform(printer)
        } catch {
            if !error.message.isEmpty { printer.fail(error) }
            throw ExitCode(error.status.rawValue)
        }
    }
}

extension ClientError {
    /// A failure that was printed already.
    init(exit status: ExitStatus) { self.init(status, "") }
}

/// Ends work that has no end of its own.
enum Interruption {
    /// Runs `body` until it ends, or until Ctrl-C, SIGTERM or the terminal's end cancels it. Being ended so is no failure.
    static func ends(
        _ body: @escaping @Sendable () async throws(ClientError) -> Void
    ) async throws(ClientError) {
        let reasons = Shutdown.reasons(lifeline: false)
        let work = Task<ClientError?, Never> {
            do throws(ClientError) {
                try await body()
                return nil
            } catch {
                return error
            }
        }
        let waiter = Task {
            guard await reasons.first() != nil else { return false }
            work.cancel()
            return true
        }
        let failure = await work.value
        waiter.cancel()
        if let failure, await !waiter.value { throw failure }
    }
}
