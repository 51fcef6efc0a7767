import Contract

/// Tells a Router what changes in the cluster. While the API server is away it tells nothing, and the Router goes on with what it has.
package struct ClusterRouteFeed: Sendable {
    private let api: APIClient
    private let namespace: String
    private let epoch: String

    /// A feed of the functions in `namespace`; `epoch` names this run of the Router.
    package init(_ api: APIClient, namespace: String, epoch: String) {
        self.api = api
        self.namespace = namespace
        self.epoch = epoch
    }

    /// The whole table once all of it is known, then every change, until the task is cancelled.
    package func run(_ tell: @escaping @Sendable (RouteMessage) -> Void) async {
        let (changes, feed) = AsyncStream.makeStream(of: ClusterRoutes.Change.self)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await Reflector<RoutedFunction>(api, Selection(namespace: namespace)).run { feed.yield(.function($0)) }
            }
            group.addTask {
                await Reflector<RoutedRevision>(api, Selection(namespace: namespace)).run { feed.yield(.revision($0)) }
            }
            group.addTask {
                let own = Selection(namespace: namespace, labels: FunctionLabels.selector)
                await Reflector<RoutedSlice>(api, own).run { feed.yield(.slice($0)) }
            }
            group.addTask {
                var routes = ClusterRoutes(epoch: epoch)
                for await change in changes {
                    if let message = routes.note(change) { tell(message) }
                }
            }
            await group.waitForAll()
        }
    }
}
