import Contract
import Kubernetes
import Logging

/// Writes the conditions of functions into their objects, and Events about roll-outs.
///
/// Nobody waits for it: what happens while a write is under way is in the next one, and one that fails is made again as long as the
/// Deployer leads.
actor FunctionReporter: RolloutObserver {
    /// Until a write that failed is made again.
    private static let pause = Duration.seconds(2)
    /// How many functions are written about at a time.
    private static let parallel = 8

    private let store: KubernetesStore
    private let instance: String
    private let logger: Logger
    private var conditions: [FunctionName: FunctionConditions] = [:]
    /// Functions whose conditions have changed since they were written.
    private var changed: Set<FunctionName> = []
    /// Functions that are being written about.
    private var underWay: Set<FunctionName> = []
    private var writers: [Int: Task<Void, Never>] = [:]
    private var begun = 0
    private var isOpen = false

    /// A reporter that calls itself `instance`.
    init(store: KubernetesStore, instance: String, logger: Logger) {
        self.store = store
        self.instance = instance
        self.logger = logger
    }

    deinit {
        for writer in writers.values { writer.cancel() }
    }

    func rollOut(of revision: RevisionID, _ progress: RolloutProgress) {
        change(revision.function) { $0.note(revision, progress) }
        let (kind, reason, message): (EventObject.Kind, String, String)
        switch progress {
        case .began: (kind, reason, message) = (.normal, "RollOutBegan", "Rolling out revision r\(revision.number).")
        case .live(let cause):
            (kind, reason, message) = (
                .normal, "RolledOut", "Revision r\(revision.number) is live, by a \(cause.words)."
            )
        case .failed(let failure):
            (kind, reason, message) = (
                .warning, "RollOutFailed", "Revision r\(revision.number): \(failure.message)"
            )
        case .steppedBack(let sentence): (kind, reason, message) = (.warning, "SteppedBack", sentence)
        case .superseded: return
        }
        Task { await tell(revision.function, kind, reason, message) }
    }

    func serving(_ name: FunctionName, _ target: RouteTarget?, isParked: Bool, split: TrafficSplit?) {
        change(name) { $0.note(target, isParked: isParked, split: split) }
    }

    /// Begins to write. Before that, what a Deployer that takes over has not looked at yet would pass for what is not there. What the
    /// functions say already, mostly all of it, is read in a few calls and not written again.
    func open() async {
        do {
            let before = conditions
            for name in try await store.functions(saying: before) where conditions[name] == before[name] {
                changed.remove(name)
            }
        } catch {
            logger.debug("cannot read conditions", metadata: ["error": "\(error)"])
        }
        isOpen = true
        startWriters()
    }

    private func change(_ name: FunctionName, _ note: (inout FunctionConditions) -> Void) {
        let old = conditions[name]
        note(&conditions[name, default: FunctionConditions()])
        guard conditions[name] != old else { return }
        changed.insert(name)
        startWriters()
    }

    private func startWriters() {
        guard isOpen else { return }
        while writers.count < min(Self.parallel, changed.count) {
            let number = begun
            begun += 1
            writers[number] = Task { [weak self] in
                while await self?.write(number) == true {}
            }
        }
    }

    /// Writes about one function; `false` when there is none that waits for it.
    private func write(_ number: Int) async -> Bool {
        guard !Task.isCancelled, let name = changed.first(where: { !underWay.contains($0) }) else {
            writers[number] = nil
            return false
        }
        changed.remove(name)
        guard let wanted = conditions[name] else { return true }
        underWay.insert(name)
        defer { underWay.remove(name) }
        do {
            try await store.setConditions(name, wanted)
        } catch let error as APIError where error.code == .fenced {
            // Another Deployer leads, and writes.
        } catch {
            logger.debug("cannot write conditions", metadata: ["function": "\(name)", "error": "\(error)"])
            Task {
                try? await Task.sleep(for: Self.pause)
                changed.insert(name)
                startWriters()
            }
        }
        return true
    }

    private func tell(_ name: FunctionName, _ kind: EventObject.Kind, _ reason: String, _ message: String) async {
        do {
            try await store.addEvent(name, kind, reason, message, instance: instance)
        } catch {
            logger.debug("cannot write an Event", metadata: ["function": "\(name)", "error": "\(error)"])
        }
    }
}

extension KubernetesStore {
    /// Writes `conditions` into the status of `name`, if there is such a function.
    func setConditions(_ name: FunctionName, _ conditions: FunctionConditions) async throws {
        try await noteStatus(name.value) { status, generation in
            status = status.said(conditions, about: name, generation: generation)
        }
    }

    /// The functions whose objects say already what `conditions` do.
    func functions(saying conditions: [FunctionName: FunctionConditions]) async throws -> [FunctionName] {
        try await api.list(FunctionObject.self, Selection(namespace: namespace)) { object -> FunctionName? in
            guard let name = try? FunctionName(object.key.name), let wanted = conditions[name],
                let status = object.status, status.said(wanted, about: name, generation: nil) == status
            else { return nil }
            return name
        }.items.compactMap(\.self)
    }

    /// Adds an Event about `name`, if there is such a function.
    func addEvent(
        _ name: FunctionName, _ kind: EventObject.Kind, _ reason: String, _ message: String, instance: String
    ) async throws {
        guard let function = try await object(name) else { return }
        _ = try await api.create(EventObject(of: function, kind, reason, message, instance: instance, at: .now()))
    }
}

extension FunctionObject.Status {
    /// This status with what `conditions` say.
    fileprivate func said(_ conditions: FunctionConditions, about name: FunctionName, generation: Int64?) -> Self {
        var status = self
        status.conditions = conditions.merged(into: status.conditions ?? [], at: .now(), generation: generation)
        status.url = "/fn/\(name)"
        status.traffic = conditions.traffic
        return status
    }
}
