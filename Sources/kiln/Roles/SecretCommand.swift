import ArgumentParser
import Contract
import FoundationEssentials
import Glibc

/// `kiln secret`: values that functions get by name and that appear in no URL, image, log or answer.
struct SecretCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Keep the secrets of this machine's functions.",
        subcommands: [Set.self, List.self, Remove.self])

    struct Set: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Store a secret; its value is read from standard input. Running instances get it when they next start.")

        @OptionGroup var state: StateOptions
        @Argument(help: "The name, also of the environment variable that functions see.") var name: String

        func run() throws {
            if let problem = EnvironmentName.problem(with: name) {
                throw ValidationError("'\(name)' cannot be a secret's name: \(problem).")
            }
            let directory = try state.directory()
            try directory.create()
            let value = FileHandleInput.all(limit: SecretFiles.valueLimit + 1)
            guard value.count <= SecretFiles.valueLimit else {
                throw ValidationError("A secret has at most \(SecretFiles.valueLimit) bytes.")
            }
            guard !value.contains(0) else { throw ValidationError("A secret must not contain a NUL byte.") }
            try DurableFile.write(value, to: directory.secrets + "/" + name)
            Console.note(
                "Stored \(name) (\(value.count) bytes) for \(directory.path). Instances get it when they next start.")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the names of the secrets.")

        @OptionGroup var state: StateOptions

        func run() throws {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: try state.directory().secrets)) ?? []
            for name in names.sorted() where EnvironmentName.problem(with: name) == nil { print(name) }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove a secret.")

        @OptionGroup var state: StateOptions
        @Argument(help: "The name.") var name: String

        func run() throws {
            guard EnvironmentName.problem(with: name) == nil, unlink(try state.directory().secrets + "/" + name) == 0
            else {
                throw ValidationError("There is no secret '\(name)'. 'kiln secret list' prints what there is.")
            }
        }
    }
}

/// Standard input, read whole.
enum FileHandleInput {
    static func all(limit: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < limit {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        if bytes.last == 10 { bytes.removeLast() }
        return bytes
    }
}

/// Where the secrets of one machine are: a file each, mode 0600, in a directory of mode 0700.
struct SecretFiles: Sendable {
    /// Most bytes of one secret.
    static let valueLimit = 64 << 10

    let directory: String

    func value(_ name: String) -> String? {
        guard EnvironmentName.problem(with: name) == nil,
            let data = FileManager.default.contents(atPath: directory + "/" + name)
        else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}
