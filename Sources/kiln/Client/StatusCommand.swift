import ArgumentParser
import Client
import Contract
import FoundationEssentials
import Glibc
import Transfer

/// `kiln status`.
struct StatusCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Tell whether the platform is up: roles, versions, functions, disk.",
        discussion: "Roles, the running version and the disk are seen on the platform's own machine only, by its user.")

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Installation") var state: StateOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let client = try platform.client()
        let installation = try await Installation(state.found(), url: client.url)
        var isUp = false
        var functions: [FunctionAnswer] = []
        var failure: ClientError?
        do throws(ClientError) {
            isUp = try await client.isReady()
            functions = try await (client.functions()["functions"] ?? .array([])).answer(
                [FunctionAnswer].self)
        } catch {
            failure = error
        }
        let ready = isUp && failure == nil && installation?.roles.allSatisfy(\.isReady) != false
        if printer.isJSON {
            printer.document(document(client, installation, ready, failure, functions))
        } else {
            print(client, installation, isUp, failure, functions, printer)
        }
        guard ready else {
            if let failure, !printer.isJSON { printer.fail(failure) }
            throw ClientError(exit: failure?.status ?? .unreachable)
        }
    }

    private func print(
        _ client: PlatformClient, _ installation: Installation?, _ isUp: Bool, _ failure: ClientError?,
        _ functions: [FunctionAnswer], _ printer: Printer
    ) {
        let terminal = printer.output
        func state(_ good: Bool, _ yes: String, _ no: String) -> String {
            terminal.paint(good ? yes : no, good ? .green : .red)
        }
        var facts = [("Platform", "\(client.url) \(state(isUp, "is up", failure == nil ? "is not ready" : "is down"))")]
        facts.append(("Client", "kiln \(Version.text)"))
        if let installation {
            if let version = installation.version { facts.append(("Version", "kiln \(version)")) }
            for role in installation.roles {
                let pid = role.pid.map { ", process \($0)" } ?? ""
                facts.append(
                    (role.name, state(role.isReady, "ready", role.pid == nil ? "not running" : "not ready") + pid))
            }
            facts.append(("State", installation.directory))
            if let free = installation.freeBytes, let total = installation.totalBytes {
                facts.append(("Disk", "\(Amounts.bytes(free)) of \(Amounts.bytes(total)) free"))
            }
        }
        if failure == nil {
            let whole = functions.filter { ($0.ready ?? 0) >= ($0.desired ?? 0) }.count
            let rest = functions.count - whole
            facts.append(
                ("Functions", "\(functions.count)" + (rest == 0 ? "" : ", \(rest) with instances that are not ready")))
        }
        let width = facts.map { $0.0.count }.max() ?? 0
        printer.lines(facts.map { terminal.paint(TextWidth.padded($0.0, to: width), .bold) + "  " + $0.1 })
    }

    private func document(
        _ client: PlatformClient, _ installation: Installation?, _ ready: Bool, _ failure: ClientError?,
        _ functions: [FunctionAnswer]
    ) -> JSONValue {
        var members: [String: JSONValue] = [
            "url": .string(client.url), "ready": .bool(ready), "clientVersion": .string(Version.text),
        ]
        if failure == nil { members["functions"] = .integer(Int64(functions.count)) }
        if let failure { members["problem"] = failure.document }
        if let installation {
            members["stateDir"] = .string(installation.directory)
            members["version"] = installation.version.map { .string($0) }
            members["freeBytes"] = installation.freeBytes.map { .integer($0) }
            members["totalBytes"] = installation.totalBytes.map { .integer($0) }
            members["roles"] = .array(
                installation.roles.map { role in
                    var object: [String: JSONValue] = ["name": .string(role.name), "ready": .bool(role.isReady)]
                    object["pid"] = role.pid.map { .integer(Int64($0)) }
                    return .object(object)
                })
        }
        return .object(members)
    }
}

/// What this machine knows of an installation whose state directory is here.
struct Installation: Sendable {
    /// One of the processes that `kiln up` runs.
    struct RoleState: Sendable {
        var name: String
        var pid: Int32?
        var isReady: Bool
    }

    let directory: String
    let version: String?
    let roles: [RoleState]
    let freeBytes: Int64?
    let totalBytes: Int64?

    /// The installation in `state`; `nil` when it is not the one at `url`, or cannot be looked into.
    init?(_ state: StateDirectory, url: String) async {
        guard access(state.run, R_OK | X_OK) == 0 else { return nil }
        guard let own = Self.text(state.address), Self.isSame(own, url) else { return nil }
        directory = state.path
        version = Self.text(state.version)
        let client = try? HTTPClient()
        var roles: [RoleState] = []
        for name in ["router", "builder", "deployer", "registry"] {
            let pid = ProcessRecord(path: state.record(name)).running
            var isReady = pid != nil
            if isReady, name == "builder" || name == "deployer", let client {
                isReady = await Self.isReady(client, state.socket(name))
            }
            roles.append(RoleState(name: name, pid: pid, isReady: isReady))
        }
        self.roles = roles
        var status = statvfs()
        if statvfs(state.path, &status) == 0 {
            freeBytes = Int64(status.f_bavail) * Int64(status.f_frsize)
            totalBytes = Int64(status.f_blocks) * Int64(status.f_frsize)
        } else {
            freeBytes = nil
            totalBytes = nil
        }
    }

    private static func isReady(_ client: HTTPClient, _ socket: String) async -> Bool {
        let request = ClientRequest(
            .get, "http://role/readyz", socket: socket,
            timeouts: Timeouts(connect: .seconds(2), total: .seconds(5), idle: nil))
        return (try? await client.collect(request, limit: 1 << 16))?.status == 200
    }

    /// Whether both URLs lead to this machine's same port.
    private static func isSame(_ own: String, _ url: String) -> Bool {
        guard let own = WebAddress(own), let other = WebAddress(url) else { return false }
        func isLocal(_ host: String) -> Bool { host == "localhost" || host == "[::1]" || host.hasPrefix("127.") }
        return own.port == other.port
            && (own.host == other.host || (isLocal(other.host) && (isLocal(own.host) || own.host == "0.0.0.0")))
    }

    private static func text(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).flatMap {
            String(decoding: $0, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init)
        }
    }
}
