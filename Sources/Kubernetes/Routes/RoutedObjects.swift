import Contract

/// A function (`functions.kiln.dev`) as far as routing needs it.
package struct RoutedFunction: WatchedObject, Hashable {
    package static let resource = APIResource(
        group: "kiln.dev", version: "v1alpha1", plural: "functions", kind: "Function")

    let meta: WatchedMeta
    /// The revision that is live.
    let live: Int?
    /// How the traffic is divided between it and others.
    let split: TrafficSplit?
    /// Whether it is about to be gone.
    let isEnding: Bool

    init(_ meta: WatchedMeta, live: Int?, split: TrafficSplit? = nil, isEnding: Bool = false) {
        self.meta = meta
        self.split = split
        self.live = live
        self.isEnding = isEnding
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let status = try container.decodeIfPresent(Status.self, forKey: .status)
        self.init(
            try container.decode(WatchedMeta.self, forKey: .metadata), live: status?.live, split: status?.split,
            isEnding: try container.decode(Ending.self, forKey: .metadata).deletionTimestamp != nil)
    }

    package var key: ObjectKey { meta.key }
    package var uid: ObjectUID? { meta.uid }
    package var resourceVersion: String? { meta.resourceVersion }

    private enum CodingKeys: CodingKey { case metadata, status }
    private struct Status: Decodable {
        var live: Int?
        var split: TrafficSplit?
    }
    private struct Ending: Decodable {
        var deletionTimestamp: String?
    }
}

/// A revision (`functionrevisions.kiln.dev`) as far as routing needs it.
package struct RoutedRevision: WatchedObject, Hashable {
    package static let resource = APIResource(
        group: "kiln.dev", version: "v1alpha1", plural: "functionrevisions", kind: "FunctionRevision")

    /// How requests are routed to it. A function may have many revisions, so the numbers have the size that the schema gives them.
    struct Settings: Hashable, Sendable {
        var number: Int
        var timeoutSeconds: Int32?
        var concurrency: Int32?
        var isPinned = false
        /// Few functions have one.
        var cors: CORSPolicy?
    }

    let meta: WatchedMeta
    /// The function.
    let function: FunctionName?
    /// How requests are routed to it.
    let settings: Settings

    init(_ meta: WatchedMeta, of function: FunctionName?, _ settings: Settings) {
        self.meta = meta
        self.function = function
        self.settings = settings
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let spec = try container.decodeIfPresent(Spec.self, forKey: .spec)
        self.init(
            try container.decode(WatchedMeta.self, forKey: .metadata), of: spec?.function,
            Settings(
                number: spec?.number ?? 0, timeoutSeconds: spec?.configuration?.timeoutSeconds,
                concurrency: spec?.configuration?.concurrency,
                isPinned: try container.decodeIfPresent(Status.self, forKey: .status)?.pinned == true,
                cors: spec?.configuration?.cors))
    }

    package var key: ObjectKey { meta.key }
    package var uid: ObjectUID? { meta.uid }
    package var resourceVersion: String? { meta.resourceVersion }

    private enum CodingKeys: CodingKey { case metadata, spec, status }
    private struct Spec: Decodable {
        var function: FunctionName
        var number: Int
        var configuration: Configuration?
    }
    private struct Configuration: Decodable {
        var timeoutSeconds: Int32?
        var concurrency: Int32?
        var cors: CORSPolicy?
    }
    private struct Status: Decodable {
        var pinned: Bool?
    }
}

/// An EndpointSlice as far as routing needs it: where the Pods of a revision are.
package struct RoutedSlice: WatchedObject, Hashable {
    package static let resource = EndpointSlice.resource

    let meta: WatchedMeta
    /// The revision.
    package let revision: RevisionID?
    /// Where its Pods are; none of a function that is parked.
    package let pods: [PodAddress]

    /// What is to be kept of `slice`.
    package init(_ slice: EndpointSlice) {
        meta = WatchedMeta(slice.metadata)
        revision = RevisionID(labels: slice.metadata.labels)
        pods = slice.pods(port: FunctionLabels.port)
    }

    package init(from decoder: any Decoder) throws { self.init(try EndpointSlice(from: decoder)) }

    package var key: ObjectKey { meta.key }
    package var uid: ObjectUID? { meta.uid }
    package var resourceVersion: String? { meta.resourceVersion }

    /// Where the Pods of `slices`, which are all of one revision, take new requests, in the order of their names.
    package static func endpoints(of slices: some Sequence<RoutedSlice>) -> [Endpoint] {
        PodAddress.endpoints(slices.map { ($0.key, $0.pods) }) { $0.takesRequests }
    }

    /// Where the Pods of `slices` will take requests.
    package static func starting(of slices: some Sequence<RoutedSlice>) -> [Endpoint] {
        PodAddress.endpoints(slices.map { ($0.key, $0.pods) }) { $0.starts }
    }
}
