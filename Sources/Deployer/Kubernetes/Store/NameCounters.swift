import Contract
import Kubernetes

/// Counters by function name that outlive the function, so that no number or ticket is given out twice.
///
/// They are kept in a few ConfigMaps (`kiln-counters-00` to `-3f`), each for the names of one hash: 10,000 names are 8 KiB in each, where an
/// object may have 1 MiB.
struct NameCounters: Sendable {
    /// What is known of a name.
    struct Counter: Hashable, Sendable {
        var highestRevision = 0
        var highestTicket = 0
        var deletedTicket = 0

        init() {}

        init?(text: String) {
            let numbers = text.split(separator: " ").compactMap { Int($0) }
            guard numbers.count == 3 else { return nil }
            highestRevision = numbers[0]
            highestTicket = numbers[1]
            deletedTicket = numbers[2]
        }

        var text: String { "\(highestRevision) \(highestTicket) \(deletedTicket)" }
    }

    static let shards = 64
    /// How the ConfigMaps are called before their number.
    private static let prefix = "kiln-counters-"

    let api: APIClient
    let namespace: String

    /// The counter of `name`, zero when it was never used.
    func read(_ name: FunctionName) async throws -> Counter {
        let shard = try await api.get(CounterShard.self, Self.shard(of: name), in: namespace)
        return try Self.counter(of: name, in: shard)
    }

    /// All counters by name.
    func all() async throws -> [String: Counter] {
        let selection = Selection(namespace: namespace, labels: "app.kubernetes.io/name=kiln")
        let shards = try await api.list(CounterShard.self, selection).items.filter {
            $0.key.name.hasPrefix(Self.prefix)
        }
        var counters: [String: Counter] = [:]
        for shard in shards {
            for name in (shard.data ?? [:]).keys {
                guard let function = try? FunctionName(name) else { continue }
                counters[name] = try Self.counter(of: function, in: shard)
            }
        }
        return counters
    }

    /// Changes the counter of `name` and returns what `change` does. Begins again while others write.
    @discardableResult
    func update<Result>(_ name: FunctionName, _ change: (inout Counter) -> Result) async throws -> Result {
        for _ in 0..<KubernetesStore.attempts {
            let held = try await api.get(CounterShard.self, Self.shard(of: name), in: namespace)
            var counter = try Self.counter(of: name, in: held)
            let old = counter
            let result = change(&counter)
            if counter == old { return result }
            var shard =
                held
                ?? CounterShard(
                    metadata: ObjectMeta(
                        name: Self.shard(of: name), namespace: namespace,
                        labels: ["app.kubernetes.io/name": "kiln", "app.kubernetes.io/part-of": "kiln"]))
            shard.data = (shard.data ?? [:]).merging([name.value: counter.text]) { $1 }
            if try await write(shard, isNew: held == nil) { return result }
        }
        throw KubernetesStore.contended(name)
    }

    /// `false` when somebody else wrote first.
    private func write(_ shard: CounterShard, isNew: Bool) async throws(APIError) -> Bool {
        do throws(APIError) {
            if isNew {
                _ = try await api.create(shard)
            } else {
                _ = try await api.replace(shard)
            }
            return true
        } catch {
            guard error.code == .conflict || error.code == .alreadyExists else { throw error }
            return false
        }
    }

    private static func counter(of name: FunctionName, in shard: CounterShard?) throws -> Counter {
        guard let text = shard?.data?[name.value] else { return Counter() }
        guard let counter = Counter(text: text) else {
            throw DeployerError(
                .store,
                "The ConfigMap \(shard?.key.description ?? "") has '\(text.prefix(80))' for \(name), which are not three numbers. "
                    + "Restore it from a backup.")
        }
        return counter
    }

    /// FNV-1a, because Swift's own hashes differ from process to process.
    static func shard(of name: FunctionName) -> String {
        let hash = name.value.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let digits = String(hash % UInt64(shards), radix: 16)
        return "\(prefix)\(digits.count < 2 ? "0" : "")\(digits)"
    }
}

/// A ConfigMap of counters.
struct CounterShard: KubernetesObject, Hashable {
    static let resource = APIResource(group: "", version: "v1", plural: "configmaps", kind: "ConfigMap")
    var metadata: ObjectMeta
    var data: [String: String]?
}
