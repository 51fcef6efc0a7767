import Transfer

/// Which objects of a kind are meant.
package struct Selection: Sendable, Hashable {
    /// The namespace; `nil` for all.
    package var namespace: String?
    /// A label selector, e.g. `app.kubernetes.io/managed-by=kiln`.
    package var labels: String?
    /// A field selector, e.g. `metadata.name=hello`.
    package var fields: String?

    /// Objects in `namespace` that match both selectors.
    package init(namespace: String?, labels: String? = nil, fields: String? = nil) {
        self.namespace = namespace
        self.labels = labels
        self.fields = fields
    }

    var query: [(name: String, value: String)] {
        [("labelSelector", labels), ("fieldSelector", fields)].compactMap { name, value in value.map { (name, $0) } }
    }
}

extension APIClient {
    /// All objects of `selection` at one version, read in pages. A list whose snapshot the server lost half way is begun anew, in
    /// one piece.
    package func list<Object: WatchedObject>(
        _ type: Object.Type, _ selection: Selection
    ) async throws(APIError) -> ObjectList<Object> {
        let (items, version) = try await list(type, selection) { $0 }
        return ObjectList(items: items, resourceVersion: version)
    }

    /// Like ``list(_:_:)``, but of each object only what `kept` makes of it stays in memory.
    package func list<Object: WatchedObject, Kept>(
        _ type: Object.Type, _ selection: Selection, keeping kept: (Object) -> Kept
    ) async throws(APIError) -> (items: [Kept], version: String) {
        do throws(APIError) {
            return try await list(type, selection, pageSize: configuration.pageSize, kept)
        } catch {
            guard error.code == .expired else { throw error }
            return try await list(type, selection, pageSize: nil, kept)
        }
    }

    /// At most `count` objects of `selection`, by name: the first ones, or those where `token` leads to; and what leads to the next ones, if
    /// there are more.
    package func some<Object: WatchedObject>(
        _ count: Int, _ type: Object.Type, _ selection: Selection, token: String? = nil
    ) async throws(APIError) -> (items: [Object], token: String?) {
        let page = try await page(type, selection, size: count, token: token)
        return (page.items ?? [], page.token)
    }

    /// Objects per page of a list.
    package var pageSize: Int { configuration.pageSize }

    /// How many objects there are in `namespace`, by one small call where the server says how many it left out.
    package func count<Object: WatchedObject>(_ type: Object.Type, in namespace: String?) async throws(APIError)
        -> Int
    {
        let call = APICall(
            method: .get, path: Object.resource.path(namespace: namespace), query: [("limit", "1")],
            action: "count \(Object.resource.plural)")
        let page = try decode(Page<Object>.self, try await send(call), call)
        let shown = page.items?.count ?? 0
        guard page.token != nil else { return shown }
        if let rest = page.metadata?.remainingItemCount { return shown + rest }
        return try await list(type, Selection(namespace: namespace)).items.count
    }

    private func list<Object: WatchedObject, Kept>(
        _ type: Object.Type, _ selection: Selection, pageSize: Int?, _ kept: (Object) -> Kept
    ) async throws(APIError) -> (items: [Kept], version: String) {
        var items: [Kept] = []
        var version = ""
        var token: String?
        repeat {
            let page = try await page(type, selection, size: pageSize, token: token)
            items += (page.items ?? []).map(kept)
            version = page.metadata?.resourceVersion ?? ""
            token = page.token
        } while token != nil
        return (items, version)
    }

    private func page<Object: WatchedObject>(
        _ type: Object.Type, _ selection: Selection, size: Int?, token: String?
    ) async throws(APIError) -> Page<Object> {
        var call = APICall(
            method: .get, path: Object.resource.path(namespace: selection.namespace), query: selection.query,
            action: "list \(Object.resource.plural)")
        if let size { call.query.append(("limit", String(size))) }
        if let token { call.query.append(("continue", token)) }
        return try decode(Page<Object>.self, try await send(call), call)
    }

    private struct Page<Object: WatchedObject>: Decodable {
        struct Metadata: Decodable {
            var resourceVersion: String?
            var `continue`: String?
            var remainingItemCount: Int?
        }
        var metadata: Metadata?
        var items: [Object]?

        var token: String? { metadata?.continue.flatMap { $0.isEmpty ? nil : $0 } }
    }
}
