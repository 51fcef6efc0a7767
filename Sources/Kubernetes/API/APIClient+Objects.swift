import FoundationEssentials
import Service
import Transfer

/// What an apply left.
package struct Applied<Object: KubernetesObject>: Sendable {
    /// The object as it is now.
    package let object: Object
    /// Whether it did not exist before.
    package let isNew: Bool
    /// What the server warns of.
    package let warnings: [String]
}

/// Whether an apply may take fields from other managers.
package enum Ownership: Sendable {
    /// It takes them.
    case force
    /// It fails with ``APIError/Code/foreignOwner``.
    case respect
}

/// What became of an object that was to be deleted.
package enum Deletion: Sendable, Hashable {
    /// It is gone, or goes in the background.
    case done
    /// Finalizers hold it.
    case terminating
    /// There was none.
    case absent
}

extension APIClient {
    /// The object `name`; `nil` when there is none.
    package func get<Object: KubernetesObject>(
        _ type: Object.Type, _ name: String, in namespace: String?
    ) async throws(APIError) -> Object? {
        let call = APICall(
            method: .get, path: Object.resource.path(namespace: namespace, name: name),
            action: "read \(Self.title(type, name))")
        do throws(APIError) {
            return try decode(type, try await send(call), call)
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// Server-side apply: the fields that are set in `object` are Kiln's afterwards, those it once applied and are not set are let go.
    /// Unchanged objects keep their version. `subresource` is e.g. `status`.
    package func apply<Object: KubernetesObject>(
        _ object: Object, subresource: String? = nil, manager: String = fieldManager, ownership: Ownership = .force
    ) async throws(APIError) -> Applied<Object> {
        let key = object.key
        let part = subresource.map { " (\($0))" } ?? ""
        var call = APICall(
            method: .patch,
            path: Object.resource.path(namespace: object.metadata.namespace, name: key.name, subresource: subresource),
            query: [("fieldManager", manager)], contentType: "application/apply-patch+yaml",
            action: "apply \(Self.title(Object.self, key.name))\(part)")
        if ownership == .force { call.query.append(("force", "true")) }
        call.body = try encode(Envelope(object: object), call)
        let answer = try await send(call)
        return Applied(
            object: try decode(Object.self, answer, call), isNew: answer.status == 201,
            warnings: Self.warnings(answer.headers))
    }

    /// Makes `object`; throws ``APIError/Code/alreadyExists`` when there is one of its name.
    package func create<Object: KubernetesObject>(_ object: Object) async throws(APIError) -> Object {
        var call = APICall(
            method: .post, path: Object.resource.path(namespace: object.metadata.namespace),
            query: [("fieldManager", Self.fieldManager)], contentType: "application/json", repetition: .ifUndone,
            action: "create \(Self.title(Object.self, object.key.name))")
        call.body = try encode(Envelope(object: object), call)
        return try decode(Object.self, try await send(call), call)
    }

    /// Replaces an object as it was read, changed; throws ``APIError/Code/conflict`` when it is not at the version any more that
    /// `object` carries. Only for kinds that Kiln knows in full: what it does not know would be dropped.
    package func replace<Object: KubernetesObject>(
        _ object: Object, subresource: String? = nil
    ) async throws(APIError) -> Object {
        var call = APICall(
            method: .put,
            path: Object.resource.path(
                namespace: object.metadata.namespace, name: object.key.name, subresource: subresource),
            query: [("fieldManager", Self.fieldManager)], contentType: "application/json", repetition: .ifUndone,
            action: "replace \(Self.title(Object.self, object.key.name))")
        call.body = try encode(Envelope(object: object), call)
        return try decode(Object.self, try await send(call), call)
    }

    /// Deletes the object `name`, if it is the one with `uid` and at `resourceVersion`, where given; throws
    /// ``APIError/Code/conflict`` when it is not. What it owns goes in the background unless `propagation` says otherwise.
    package func delete<Object: KubernetesObject>(
        _ type: Object.Type, _ name: String, in namespace: String?, propagation: Propagation = .background,
        uid: String? = nil, resourceVersion: String? = nil
    ) async throws(APIError) -> Deletion {
        var call = APICall(
            method: .delete, path: Object.resource.path(namespace: namespace, name: name),
            contentType: "application/json", action: "delete \(Self.title(type, name))")
        let conditions =
            uid == nil && resourceVersion == nil
            ? nil : DeleteOptions.Preconditions(uid: uid, resourceVersion: resourceVersion)
        call.body = try encode(DeleteOptions(propagationPolicy: propagation, preconditions: conditions), call)
        do throws(APIError) {
            let answer = try await send(call)
            let kind = try? JSONDecoder().decode(Kind.self, from: Data(answer.body))
            return kind?.kind == "Status" ? .done : kind?.metadata?.finalizers?.isEmpty == false ? .terminating : .done
        } catch {
            guard error.code == .notFound else { throw error }
            return .absent
        }
    }

    /// What becomes of the objects that a deleted one owns.
    package enum Propagation: String, Sendable, Encodable {
        /// They go after it.
        case background = "Background"
        /// They go before it.
        case foreground = "Foreground"
        /// They stay.
        case orphan = "Orphan"
    }

    /// The kind and name of an object, for messages.
    package static func title<Object: KubernetesObject>(_ type: Object.Type, _ name: String) -> String {
        "\(Object.resource.kind) \(name)"
    }

    /// The JSON of `value`, which `call` is to send.
    package func encode(_ value: some Encodable, _ call: APICall) throws(APIError) -> [UInt8] {
        do {
            return try JSON.encode(value)
        } catch {
            throw APIError(.invalid, "Cannot \(call.action): it cannot be written as JSON.", cause: error)
        }
    }

    /// The answer to `call`, read.
    package func decode<Value: Decodable>(
        _ type: Value.Type, _ answer: CollectedResponse, _ call: APICall
    ) throws(APIError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(answer.body))
        } catch {
            throw APIError(.malformed, "Cannot \(call.action): the server's answer is not understood.", cause: error)
        }
    }

    private struct DeleteOptions: Encodable {
        struct Preconditions: Encodable {
            var uid: String?
            var resourceVersion: String?
        }
        var apiVersion = "v1"
        var kind = "DeleteOptions"
        var propagationPolicy: Propagation
        var preconditions: Preconditions?
    }

    private struct Kind: Decodable {
        var kind: String?
        var metadata: ObjectMeta?
    }
}
