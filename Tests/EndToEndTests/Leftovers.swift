import Foundation

/// What an installation has made on this machine outside its state directory.
struct Leftovers: CustomStringConvertible {
    let found: [String]

    /// Looks for everything that carries the installation's name or lies under its state directory.
    init(state: String, installation: String) throws {
        var found: [String] = []
        func lines(_ program: String, _ arguments: [String]) throws -> [String] {
            try EndToEndTests.run(program, arguments).output.split(whereSeparator: \.isNewline).map(String.init)
        }
        found += try lines("ip", ["netns", "list"]).filter { $0.contains(installation) }.map { "netns \($0)" }
        found += try lines("ip", ["-o", "link"]).filter { $0.contains(installation) }.map { "link \($0)" }
        found += try lines("nft", ["list", "tables"]).filter { $0.contains(installation) }
        found += try lines("cat", ["/proc/self/mountinfo"]).filter { $0.contains(state) }.map { "mount \($0)" }
        found += try lines("find", ["/sys/fs/cgroup", "-type", "d", "-name", "*\(installation)*"]).map {
            "cgroup \($0)"
        }
        found += try lines("find", ["/run", "-maxdepth", "1", "-name", "kiln-\(installation)"])
        found += try lines("pgrep", ["-af", state]).filter { !$0.contains("pgrep") }.map { "process \($0)" }
        self.found = found
    }

    var description: String { found.joined(separator: "\n") }
}
