import ArgumentParser
import Client
import Contract

/// `kiln status`.
struct StatusCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Tell whether the platform is up: roles, versions, functions, disk.",
        discussion: "Processes and the disk are seen on the platform's own machine only, by its user.")

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Installation") var state: StateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        var report = PlatformReport(url: client.url, machine: Machine(try state.found(), url: client.url))
        do throws(ClientError) {
            report.isReady = try await client.isReady()
            let functions = try await (client.functions()["functions"] ?? .array([])).answer([FunctionAnswer].self)
            report.functions = functions.count
            report.unready = functions.filter { ($0.ready ?? 0) < ($0.desired ?? 0) }.count
            report.roles = try await client.roles()
        } catch {
            report.failure = error
        }
        if printer.isJSON {
            printer.document(report.document)
        } else {
            printer.lines(report.lines(on: printer.output))
        }
        guard report.isWhole else {
            if let failure = report.failure, !printer.isJSON { printer.fail(failure) }
            throw ClientError(exit: report.failure?.status ?? .unreachable)
        }
    }
}
