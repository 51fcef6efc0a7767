/// Shows on a terminal that something takes its time.
package enum Progress {
    private static let frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

    /// Runs `body`; while it takes longer than 0.3 s, standard error shows `what` and the time, if it is a terminal.
    package static func show<Result: Sendable>(
        _ what: String, on printer: Printer, _ body: () async throws(ClientError) -> Result
    ) async throws(ClientError) -> Result {
        guard let width = printer.error.width else { return try await body() }
        let text = printer.error.safe(what)
        let ticker = Task {
            let started = ContinuousClock.now
            try await Task.sleep(for: .milliseconds(300))
            for frame in 0... {
                let seconds = (started.duration(to: .now) / .milliseconds(100)).rounded() / 10
                let line = TextWidth.cut("\(frames[frame % frames.count]) \(text) \(seconds) s", to: width - 1)
                StandardStream.error.write("\r\u{1b}[2K" + printer.error.paint(line, .dim))
                do { try await Task.sleep(for: .milliseconds(100)) } catch { break }
            }
            StandardStream.error.write("\r\u{1b}[2K")
        }
        func finish() async {
            ticker.cancel()
            _ = await ticker.result
        }
        do {
            let result = try await body()
            await finish()
            return result
        } catch {
            await finish()
            throw error
        }
    }
}
