import ArgumentParser
import Contract
import FoundationEssentials
import Glibc
import NIOCore
import Router

/// The options of the front door, of `kiln router` and `kiln up` alike.
struct DoorOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where to listen (default: 127.0.0.1:8080). Anything but loopback needs --token-file.",
            valueName: "host:port"))
    var listen: ListenOption?

    @Option(
        help: ArgumentHelp(
            "A file with the bearer token that management calls (/func) must carry; at least 16 characters.",
            valueName: "file"))
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "A name besides localhost under which management calls may be made; may be repeated.", valueName: "name"))
    var hostName: [String] = []

    @Option(
        help: ArgumentHelp(
            "Host names under which functions answer at their root, such as {name}.example.com; 'none' for none (default: \(Self.localFunctionHost) where --listen is loopback).",
            valueName: "pattern"))
    var functionHost: String?

    @Option(
        help: ArgumentHelp(
            "An IPv4 range of proxies whose X-Forwarded-* are believed; may be repeated.", valueName: "cidr"))
    var trustedProxy: [String] = []

    @Flag(
        help: "Expect a header of the PROXY protocol, version 1 or 2, on each connection of a trusted proxy.")
    var proxyProtocol = false

    @Option(help: ArgumentHelp("Threads of the Router (default: the number of cores).", valueName: "number"))
    var threads: Int?

    func address() throws -> ListenOption {
        try Setting.resolve(listen, "LISTEN", ListenOption(host: "127.0.0.1", port: 8080))
    }

    /// Who may read the file of the management token.
    enum Readers {
        /// Only its owner.
        case owner
        /// Its group, too: the files of a cluster's Secret belong to root, and are read by a Pod's group.
        case group

        /// The permissions that nobody may have.
        var forbidden: UInt32 { self == .owner ? 0o077 : 0o037 }
    }

    /// The management token, or `nil` when none is asked for; throws when the bind needs one and there is none.
    func managementToken(readers: Readers = .owner) throws -> String? {
        guard let path = tokenFile ?? Setting.optional("TOKEN_FILE") else {
            guard try address().isLoopback else {
                throw StartError(
                    "Listening at \(try address().text) lets other machines deploy. Give a token for them: write at least 16 "
                        + "random characters to a file readable by you only and name it with --token-file FILE.")
            }
            return nil
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw StartError(
                "The token file \(path) is missing or cannot be read. Write at least 16 random characters to it, readable by you only, or "
                    + "name another with --token-file.")
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & readers.forbidden == 0 else {
            throw StartError("The token file \(path) may be read by others. Run: chmod 600 \(path)")
        }
        let token = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined()
        guard token.utf8.count >= 16 else {
            throw StartError("The token in \(path) has \(token.utf8.count) characters; at least 16 are needed.")
        }
        return token
    }

    /// How many threads the Router has.
    func threadCount() throws -> Int {
        let threads = try Setting.resolve(threads, "THREADS", max(1, System.coreCount))
        guard (1...256).contains(threads) else { throw StartError("--threads cannot be \(threads): use 1 to 256.") }
        return threads
    }

    /// The further names of this machine.
    func hostNames() throws -> [String] {
        let names = Setting.list(hostName, "HOST_NAME")
        for name in names {
            let plain = name.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (97...122).contains(byte | 32) || byte == 45 || byte == 46
            }
            guard plain, !name.isEmpty else {
                throw StartError("--host-name cannot be '\(name)': use a host's name alone, such as kiln.example.com.")
            }
        }
        return names
    }

    /// Names below `localhost` mean this machine wherever RFC 6761 is heeded: browsers, curl, systemd.
    private static let localFunctionHost = "{name}.localhost"

    /// The pattern of functions' host names, if there is one.
    func functionHosts() throws -> FunctionHost? {
        let text =
            try functionHost ?? Setting.optional("FUNCTION_HOST")
            ?? (address().isLoopback ? Self.localFunctionHost : "none")
        guard text != "none" else { return nil }
        do { return try FunctionHost(text) } catch {
            throw StartError("--function-host cannot be '\(text)'. \(error.message)")
        }
    }

    /// Whether trusted proxies speak the PROXY protocol.
    func speaksProxyProtocol() throws -> Bool {
        guard proxyProtocol || Setting.optional("PROXY_PROTOCOL") == "true" else { return false }
        guard try !trusted().isEmpty else {
            throw StartError(
                "--proxy-protocol needs --trusted-proxy: only what is named there may say whose connection it is.")
        }
        return true
    }

    func trusted() throws -> [IPv4Range] {
        try Setting.list(trustedProxy, "TRUSTED_PROXY").map { text in
            guard let range = IPv4Range(text) else {
                throw StartError("--trusted-proxy cannot be '\(text)': use an IPv4 range such as 192.0.2.0/24.")
            }
            return range
        }
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        var list = ChildArguments.option("--listen", listen?.text)
        list += ChildArguments.option("--token-file", tokenFile)
        list += ChildArguments.options("--host-name", hostName)
        list += ChildArguments.option("--function-host", functionHost)
        list += ChildArguments.options("--trusted-proxy", trustedProxy)
        if proxyProtocol { list.append("--proxy-protocol") }
        return list + ChildArguments.option("--threads", threads)
    }
}
