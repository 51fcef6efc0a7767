import Contract
import Transfer

/// Where another role is asked: a socket in the state directory, or an address in a cluster.
struct RoleAddress: Sendable, Hashable {
    let address: Endpoint.Address

    /// The unix socket to dial instead of the URL's authority.
    var socket: String? {
        if case .unix(let path) = address { path } else { nil }
    }

    /// The URL of `target` (path and query).
    func url(_ target: String) -> String {
        switch address {
        case .unix: "http://role\(target)"
        case .tcp(let host, let port): "http://\(ListenOption(host: host, port: port).text)\(target)"
        }
    }
}
