import Contract

/// A function (`functions.kiln.dev`) as far as routing needs it: thousands of them are kept in memory.
package struct RoutedFunction: KubernetesObject, Hashable {
    package static let resource = APIResource(
        group: "kiln.dev", version: "v1alpha1", plural: "functions", kind: "Function")

    struct Status: Codable, Sendable, Hashable {
        var live: Int?
    }

    package var metadata: ObjectMeta
    var status: Status?

    package mutating func thin() { metadata.thin() }
}

/// A revision (`functionrevisions.kiln.dev`) as far as routing needs it.
package struct RoutedRevision: KubernetesObject, Hashable {
    package static let resource = APIResource(
        group: "kiln.dev", version: "v1alpha1", plural: "functionrevisions", kind: "FunctionRevision")

    struct Configuration: Codable, Sendable, Hashable {
        var timeoutSeconds: Int?
        var concurrency: Int?
    }
    struct Spec: Codable, Sendable, Hashable {
        var function: FunctionName
        var number: Int
        var configuration: Configuration?
    }
    struct Status: Codable, Sendable, Hashable {
        var pinned: Bool?
    }

    package var metadata: ObjectMeta
    var spec: Spec?
    var status: Status?

    package mutating func thin() { metadata.thin() }

    var id: RevisionID? { spec.map { RevisionID(function: $0.function, number: $0.number) } }
}
