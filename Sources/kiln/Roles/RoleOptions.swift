import ArgumentParser
import Contract
import FoundationEssentials
import Glibc
import Service

/// How a role is found by the others where they are not on one machine.
struct RoleOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where this role takes the others' calls (default: a socket in the state directory).",
            valueName: "host:port"))
    var roleListen: ListenOption?

    @Option(
        help: ArgumentHelp(
            "A file with the token that the roles show each other (default: one in the state directory).",
            valueName: "file"))
    var internalTokenFile: String?

    /// Where the role listens: `name` is the role's.
    func listen(_ name: String, _ directory: StateDirectory) throws -> ListenAddress {
        guard let option = try option() else { return .unix(path: directory.socket(name)) }
        return .tcp(host: option.host, port: option.port)
    }

    /// The address that was given.
    func option() throws -> ListenOption? {
        guard roleListen != nil || Setting.optional("ROLE_LISTEN") != nil else { return nil }
        let option = try Setting.resolve(roleListen, "ROLE_LISTEN", ListenOption(host: "", port: 0))
        guard option.port > 0 else { throw StartError("--role-listen needs a port that is not 0.") }
        return option
    }

    /// The token between roles.
    func token(_ directory: StateDirectory) throws -> String {
        guard let path = internalTokenFile ?? Setting.optional("INTERNAL_TOKEN_FILE") else {
            guard try option() == nil else {
                throw StartError(
                    "Roles that listen at an address need the same token: name a file with --internal-token-file, in a cluster one of a Secret."
                )
            }
            return try directory.internalTokenText()
        }
        return try Self.token(path)
    }

    /// The token in the file `path`.
    static func token(_ path: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw StartError("The file of the token between roles, \(path), is missing or cannot be read.")
        }
        var status = stat()
        // A Secret's files are their group's to read, because they belong to root.
        guard stat(path, &status) == 0, status.st_mode & 0o007 == 0 else {
            throw StartError("The token file \(path) may be read by everybody. Run: chmod o= \(path)")
        }
        let token = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined()
        guard token.utf8.count >= 32, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw StartError("The token in \(path) must have 32 or more visible ASCII characters.")
        }
        return token
    }

    /// Where the role `name` is asked: at `option` or what is set, else at its socket in the state directory.
    static func address(_ option: ListenOption?, _ name: String, _ directory: StateDirectory) throws -> RoleAddress {
        let setting = name.uppercased()
        guard option != nil || Setting.optional(setting) != nil else {
            return RoleAddress(address: .unix(path: directory.socket(name)))
        }
        let place = try Setting.resolve(option, setting, ListenOption(host: "", port: 0))
        guard place.port > 0 else { throw StartError("--\(name) needs a port that is not 0.") }
        return RoleAddress(address: .tcp(host: place.host, port: place.port))
    }
}
