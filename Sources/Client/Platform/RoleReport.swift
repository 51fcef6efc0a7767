/// What the platform's metrics tell of its roles (Prometheus' text format, docs/observability.md).
package struct RoleReport: Sendable, Hashable {
    /// The role, e.g. `router`.
    package let name: String
    /// Whether it has answered when it was asked.
    package let isUp: Bool
    /// Its version, when it has told it.
    package let version: String?

    /// The roles in the text of `/metrics`, in its order.
    package static func roles(in text: String) -> [RoleReport] {
        var versions: [String: String] = [:]
        var states: [(name: String, isUp: Bool)] = []
        for line in text.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("kiln_build_info{"), let role = label("role", of: line) {
                versions[role] = label("version", of: line)
            } else if line.hasPrefix("kiln_role_up{"), let role = label("role", of: line) {
                states.append((role, line.hasSuffix(" 1")))
            }
        }
        return states.map { RoleReport(name: $0.name, isUp: $0.isUp, version: versions[$0.name]) }
    }

    private static func label(_ name: String, of line: Substring) -> String? {
        guard let start = line.firstRange(of: "\(name)=\"") else { return nil }
        return String(line[start.upperBound...].prefix { $0 != "\"" })
    }
}

extension PlatformClient {
    /// What the roles' metrics say of them; none when the platform gives no metrics.
    package func roles() async throws(ClientError) -> [RoleReport] {
        RoleReport.roles(in: try await text(["metrics"]))
    }
}
