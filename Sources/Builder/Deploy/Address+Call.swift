import Contract

extension Endpoint.Address {
    /// The URL of `target` (path and query) at this address. For a unix socket the authority has no meaning.
    func url(_ target: String) -> String {
        switch self {
        case .unix: "http://localhost\(target)"
        case .tcp(let host, let port): "http://\(host.contains(":") ? "[\(host)]" : host):\(port)\(target)"
        }
    }

    /// The unix socket to dial instead of the URL's authority.
    var socket: String? {
        if case .unix(let path) = self { path } else { nil }
    }
}
