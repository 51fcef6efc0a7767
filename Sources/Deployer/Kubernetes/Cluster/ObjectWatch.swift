import Contract
import Kubernetes
import Logging

/// Has functions rolled out whose objects somebody has changed, with `kubectl apply` for example, and ended whose objects are gone.
struct ObjectWatch: Sendable {
    /// Until a function that could not be looked at is looked at again.
    private static let pause = Duration.seconds(5)

    private let api: APIClient
    private let namespace: String
    private let logger: Logger

    /// Watches the functions in `namespace`.
    init(_ api: APIClient, _ namespace: String, _ logger: Logger) {
        self.api = api
        self.namespace = namespace
        self.logger = logger
    }

    /// Works until the task is cancelled.
    func run(_ reconciler: Reconciler) async {
        await withDiscardingTaskGroup { group in
            for await change in Reflector<WatchedFunction>(api, Selection(namespace: namespace)).changes() {
                switch change {
                case .added(let object), .changed(_, let object):
                    guard object.isToDo, let name = try? FunctionName(object.key.name)
                    else { continue }
                    group.addTask { await repeating(name) { try await reconciler.deployObject(name) } }
                case .removed(let object):
                    guard let name = try? FunctionName(object.key.name) else { continue }
                    group.addTask { await repeating(name) { try await reconciler.objectRemoved(name) } }
                case .synced: continue
                }
            }
        }
    }

    private func repeating(_ name: FunctionName, _ work: () async throws -> Void) async {
        while !Task.isCancelled {
            do {
                return try await work()
            } catch {
                logger.warning("a function waits", metadata: ["function": "\(name)", "error": "\(error)"])
            }
            try? await Task.sleep(for: Self.pause)
        }
    }
}

/// A function as far as it tells whether there is anything to do.
private struct WatchedFunction: WatchedObject {
    static let resource = FunctionObject.resource

    let meta: WatchedMeta
    /// Whether what is wanted has not been recorded yet.
    let isToDo: Bool

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        meta = try container.decode(WatchedMeta.self, forKey: .metadata)
        let wanted = try container.decode(Wanted.self, forKey: .metadata)
        let observed = try container.decodeIfPresent(Status.self, forKey: .status)?.observedGeneration
        isToDo = wanted.deletionTimestamp == nil && wanted.generation ?? 1 > observed ?? 0
    }

    var key: ObjectKey { meta.key }
    var uid: ObjectUID? { meta.uid }
    var resourceVersion: String? { meta.resourceVersion }

    private enum CodingKeys: CodingKey { case metadata, status }
    private struct Wanted: Decodable {
        var generation: Int64?
        var deletionTimestamp: String?
    }
    private struct Status: Decodable {
        var observedGeneration: Int64?
    }
}
