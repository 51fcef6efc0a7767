import ArgumentParser
import Client

/// The environment variables of a function, of `kiln deploy` and `kiln run` alike.
struct EnvironmentOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "An environment variable; may be repeated. NAME alone takes the value it has here.", valueName: "NAME=VALUE"
        ))
    var env: [String] = []

    @Option(
        help: ArgumentHelp("A file of NAME=VALUE lines; may be repeated. --env comes after it.", valueName: "file"),
        completion: .file())
    var envFile: [String] = []

    /// The environment variables; the last of a name counts.
    func variables() throws(ClientError) -> [(name: String, value: String)] {
        var values: [String: String] = [:]
        var order: [String] = []
        func add(_ name: String, _ value: String) {
            if values.updateValue(value, forKey: name) == nil { order.append(name) }
        }
        for path in envFile { for (name, value) in try EnvironmentFile.read(path) { add(name, value) } }
        for item in env {
            if let equals = item.firstIndex(of: "=") {
                add(String(item[..<equals]), String(item[item.index(after: equals)...]))
            } else if let value = Setting.variable(item) {
                add(item, value)
            } else {
                throw ClientError(.usage, "--env \(item): there is no such variable here. Write --env \(item)=VALUE.")
            }
        }
        return order.map { ($0, values[$0] ?? "") }
    }
}
