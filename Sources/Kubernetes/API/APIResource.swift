import Contract

/// A kind of object that the API server keeps, and where.
package struct APIResource: Hashable, Sendable {
    /// Whether its objects live in a namespace.
    package enum Scope: Hashable, Sendable {
        case namespaced
        case cluster
    }

    /// The API group; empty for the core group.
    package let group: String
    /// The version.
    package let version: String
    /// The name in paths.
    package let plural: String
    /// The name in objects.
    package let kind: String
    /// Where its objects live.
    package let scope: Scope

    /// A kind of object.
    package init(group: String, version: String, plural: String, kind: String, scope: Scope = .namespaced) {
        self.group = group
        self.version = version
        self.plural = plural
        self.kind = kind
        self.scope = scope
    }

    /// `group/version`, as objects say it.
    package var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// The path of all objects, or of those in `namespace`, or of the one called `name`, or of a part of that one.
    package func path(namespace: String?, name: String? = nil, subresource: String? = nil) -> String {
        var path = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        if scope == .namespaced, let namespace { path += "/namespaces/\(PercentEncoding.encode(namespace))" }
        path += "/\(plural)"
        if let name { path += "/\(PercentEncoding.encode(name))" }
        if let subresource { path += "/\(subresource)" }
        return path
    }
}
