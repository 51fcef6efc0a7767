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
    package func list<Object: KubernetesObject>(
        _ type: Object.Type, _ selection: Selection
    ) async throws(APIError) -> ObjectList<Object> {
        do throws(APIError) {
            return try await list(type, selection, pageSize: configuration.pageSize)
        } catch {
            guard error.code == .expired else { throw error }
            return try await list(type, selection, pageSize: nil)
        }
    }

    /// How many objects there are in `namespace`, by one small call where the server says how many it left out.
    package func count<Object: KubernetesObject>(_ type: Object.Type, in namespace: String?) async throws(APIError)
        -> Int
    {
        let call = APICall(
            method: .get, path: Object.resource.path(namespace: namespace), query: [("limit", "1")],
            action: "count \(Object.resource.plural)")
        let page = try decode(Page<Object>.self, try await send(call), call)
        let shown = page.items?.count ?? 0
        guard page.metadata?.continue.map({ !$0.isEmpty }) ?? false else { return shown }
        if let rest = page.metadata?.remainingItemCount { return shown + rest }
        return try await list(type, Selection(namespace: namespace)).items.count
    }

    private func list<Object: KubernetesObject>(
        _ type: Object.Type, _ selection: Selection, pageSize: Int?
    ) async throws(APIError) -> ObjectList<Object> {
        var items: [Object] = []
        var version = ""
        var token: String?
        repeat {
            var call = APICall(
                method: .get, path: Object.resource.path(namespace: selection.namespace), query: selection.query,
                action: "list \(Object.resource.plural)")
            if let pageSize { call.query.append(("limit", String(pageSize))) }
            if let token { call.query.append(("continue", token)) }
            let page = try decode(Page<Object>.self, try await send(call), call)
            items.append(contentsOf: page.items ?? [])
            version = page.metadata?.resourceVersion ?? ""
            token = page.metadata?.continue.flatMap { $0.isEmpty ? nil : $0 }
        } while token != nil
        return ObjectList(items: items, resourceVersion: version)
    }

    private struct Page<Object: KubernetesObject>: Decodable {
        struct Metadata: Decodable {
            var resourceVersion: String?
            var `continue`: String?
            var remainingItemCount: Int?
        }
        var metadata: Metadata?
        var items: [Object]?
    }
}
