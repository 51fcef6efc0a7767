/// All objects of a selection as last heard of, by name.
package struct ObjectTable<Object: WatchedObject>: Sendable {
    /// The objects.
    package private(set) var objects: [ObjectKey: Object] = [:]

    /// No objects.
    package init() {}

    /// The object has this state now.
    mutating func put(_ object: Object) -> [TableChange<Object>] {
        guard let old = objects.updateValue(object, forKey: object.key) else { return [.added(object)] }
        guard old.uid == object.uid else { return [.removed(old), .added(object)] }
        // Told again after a watch was resumed.
        if let version = old.resourceVersion, version == object.resourceVersion { return [] }
        return [.changed(from: old, to: object)]
    }

    /// The object is gone; `last` is its last state, which may be newer than the one known.
    mutating func remove(_ last: Object) -> [TableChange<Object>] {
        objects.removeValue(forKey: last.key) == nil ? [] : [.removed(last)]
    }

    /// There are exactly these objects: what has changed, removals first, then by name.
    mutating func replace(with all: some Collection<Object>) -> [TableChange<Object>] {
        let names = Set(all.map(\.key))
        var changes: [TableChange<Object>] = []
        for (key, old) in objects.sorted(by: { $0.key < $1.key }) where !names.contains(key) {
            objects[key] = nil
            changes.append(.removed(old))
        }
        for object in all.sorted(by: { $0.key < $1.key }) { changes += put(object) }
        return changes
    }
}

/// A change of an ``ObjectTable``.
package enum TableChange<Object: WatchedObject>: Sendable {
    /// There is an object that was not there.
    case added(Object)
    /// An object has another state.
    case changed(from: Object, to: Object)
    /// An object is gone; its last state.
    case removed(Object)
    /// The table is complete: sent after the objects there are at the start, and after each time that they had to be read anew.
    case synced
}
