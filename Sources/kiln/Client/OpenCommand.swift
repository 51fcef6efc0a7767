import ArgumentParser
import Client
import Contract
import Glibc
import Subprocess
import Transfer

/// `kiln open`.
struct OpenCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "open", abstract: "Print a function's URL, and show it in a browser where there is one.")

    @Argument(help: "The function.", completion: FunctionArgument.completion)
    var name: FunctionArgument

    @Flag(name: .customLong("print"), help: "Only print the URL.")
    var printOnly = false

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let name = try name.name()
        _ = try await client.call(.get, ["func", name.value])
        let url = client.absolute("/fn/\(name)")
        if printer.isJSON {
            printer.document(.object(["name": .string(name.value), "url": .string(url)]))
        } else {
            printer.line(url)
        }
        guard !printOnly, printer.output.isTerminal, let browser = Self.browser() else { return }
        let result = try? await Subprocess.run(
            .name(browser), arguments: [url], input: .none, output: .discarded, error: .discarded)
        if result?.terminationStatus.isSuccess != true { printer.note("\(browser) could not show it.") }
    }

    /// `$BROWSER`, or `xdg-open` where there is a desktop.
    private static func browser() -> String? {
        if let browser = Setting.variable("BROWSER"), !browser.isEmpty { return browser }
        let hasDesktop = ["DISPLAY", "WAYLAND_DISPLAY"].contains { !(Setting.variable($0) ?? "").isEmpty }
        return hasDesktop ? "xdg-open" : nil
    }
}
