import ArgumentParser
import Client
import OCI

/// `kiln key`.
struct KeyCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Print the public key to what this platform signs its images with.",
        discussion: """
            In PEM, for 'cosign verify --key', 'openssl' and the --verify-key of another platform. Run this on the platform's machine, as its user.
            """)

    @OptionGroup(title: "Installation") var state: StateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let key: String
        do {
            key = try KeyFile.verifyingKey(try state.directory().verifyingKey).pem
        } catch {
            throw ClientError(.failed, "\(error) 'kiln up' makes it at its first start.")
        }
        if printer.isJSON {
            printer.document(.object(["publicKey": .string(key)]))
        } else {
            printer.line(String(key.dropLast()))
        }
    }
}
