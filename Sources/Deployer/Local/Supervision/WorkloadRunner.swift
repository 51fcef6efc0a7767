import Contract
import Logging

/// Keeps the instances of one workload running: as many seats as there are to be instances, in each one instance after the other.
actor WorkloadRunner {
    private enum Phase { case running, retiring, abandoned }
    /// What became of an instance: it ended by itself, hung, or is not to be watched any more.
    private enum Outcome { case ended, stuck, cancelled }

    private struct Waiter {
        var count: Int
        var continuation: CheckedContinuation<Void, any Error>
    }

    let workload: Workload
    private let maker: InstanceMaker
    private let logger: Logger
    private let report: @Sendable ([Endpoint]) -> Void
    private var phase = Phase.running
    /// How many seats there are that are not being given up.
    private var desired = 0
    private var seats: [Int: Task<Void, Never>] = [:]
    private var nextSeat = 0
    /// Seats that are given up: their instances finish what they have.
    private var leaving: Set<Int> = []
    private var drains: [Int: Task<Void, Never>] = [:]
    private var ready: [Int: Instance] = [:]
    private var restarts = 0
    private var lastFailure: String?
    private var limits: LimitBook
    private var waiters: [Int: Waiter] = [:]
    private var nextWaiter = 0
    private var meter = UsageMeter()
    /// Why there are fewer instances than were asked for.
    private var limited: String?

    /// What is told of a workload's instances over the times that it was parked.
    struct Past: Sendable {
        var restarts = 0
        var lastFailure: String?
        var limits = LimitBook()
        /// What ``limits`` say.
        var warnings: [String] = []
    }

    /// A runner of `workload`, which has had runners before with this `past`; `report` learns of each change of the endpoints.
    init(
        _ workload: Workload, past: Past = Past(), maker: InstanceMaker,
        report: @escaping @Sendable ([Endpoint]) -> Void
    ) {
        self.workload = workload
        restarts = past.restarts
        lastFailure = past.lastFailure
        limits = past.limits
        self.maker = maker
        self.report = report
        var logger = maker.logger
        logger[metadataKey: "workload"] = "\(workload.id.text)"
        self.logger = logger
    }

    /// Takes over the instances that run already, and starts what lacks to the least number.
    func start(adopting adopted: [Instance]) {
        let open = adopted.filter { SocketGate(paths: $0.paths, userID: $0.record.userID).accepts }
        for (index, instance) in open.enumerated() { ready[nextSeat + index] = instance }
        if !open.isEmpty { publish() }
        let others = adopted.filter { instance in !open.contains { $0.record.id == instance.record.id } }
        for instance in open + others { addSeat(instance) }
        raise(to: workload.spec.minimumInstances)
    }

    /// Starts instances until there are `count`.
    func raise(to count: Int) {
        guard phase == .running else { return }
        while desired < count { addSeat(nil) }
    }

    /// Lets there be `count` instances. Those too many finish what they have: `drained` waits for that.
    func scale(to count: Int, drained: @escaping @Sendable (Set<String>) async -> Void) {
        guard phase == .running else { return }
        let shortage = count > desired ? maker.budget.shortage(of: count - desired, workload.spec.memoryBytes) : nil
        limited = shortage?.1.description
        raise(to: shortage.map { desired + $0.room } ?? count)
        guard count < desired else { return }
        // First what is not ready yet, then the youngest.
        let order = seats.keys.filter { !leaving.contains($0) }
            .sorted { (ready[$0] == nil ? 0 : 1, -$0) < (ready[$1] == nil ? 0 : 1, -$1) }
        let given = order.prefix(desired - count)
        leaving.formUnion(given)
        desired = count
        let instances = given.compactMap { seat in ready.removeValue(forKey: seat).map { (seat, $0) } }
        for seat in given where !instances.contains(where: { $0.0 == seat }) { seats[seat]?.cancel() }
        guard let first = instances.first?.0 else { return }
        publish()
        drains[first] = Task {
            await drained(Set(instances.map(\.1.record.id)))
            for (seat, _) in instances { seats[seat]?.cancel() }
            drains[first] = nil
        }
    }

    /// Waits until so many instances as there are to be at least accept requests; throws when one fails to, or the workload is retired.
    func becomeReady() async throws {
        nextWaiter += 1
        let number = nextWaiter
        let count = workload.spec.minimumInstances
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else if phase != .running {
                    continuation.resume(throwing: Self.retired)
                } else if ready.count >= count {
                    continuation.resume()
                } else {
                    waiters[number] = Waiter(count: count, continuation: continuation)
                }
            }
        } onCancel: {
            Task { await self.cancelWaiter(number) }
        }
    }

    /// Ends all instances; returns when nothing of them is left.
    func retire() async {
        if phase == .running {
            phase = .retiring
            settle(.failure(Self.retired))
            report([])
        }
        await endSeats()
    }

    /// Stops supervising; what runs goes on running.
    func abandon() async {
        guard phase == .running else { return }
        phase = .abandoned
        settle(.failure(CancellationError()))
        await endSeats()
    }

    /// How the workload does.
    var status: WorkloadStatus {
        WorkloadStatus(
            ready: ready.count, desired: desired, restarts: restarts, lastFailure: lastFailure, limited: limited,
            warnings: warnings)
    }

    /// What the next runner of this workload is to know.
    var past: Past { Past(restarts: restarts, lastFailure: lastFailure, limits: limits, warnings: warnings) }

    private var warnings: [String] { limits.warnings(memory: workload.spec.memoryBytes) }

    /// Looks whether instances have met limits since it was looked last.
    func watchLimits() {
        for instance in ready.values { readLimits(of: instance) }
    }

    private func readLimits(of instance: Instance) {
        let met = limits.note(LimitReading(instance, maker.cgroups), of: instance.record.id, at: .now())
        for (limit, count) in met {
            maker.metrics.met(limit, workload.id, count: count)
            logger.warning("limit met", metadata: ["limit": "\(limit.rawValue)", "times": "\(count)"])
        }
    }

    /// What the workload uses.
    func usage() -> WorkloadUsage {
        let cgroups = maker.cgroups
        let times = ready.values.compactMap { instance in
            cgroups.cpuTime(instance.record.id).map { (instance.record.id, $0) }
        }
        return WorkloadUsage(
            desired: desired, cpuMillicores: meter.millicores(Dictionary(times) { $1 }, at: .now))
    }

    private static let retired = RolloutFailure(.retired, "The revision was retired before it was ready.")

    private func addSeat(_ adopted: Instance?) {
        let seat = nextSeat
        nextSeat += 1
        desired += 1
        seats[seat] = Task { await self.occupy(seat, adopted) }
    }

    private func endSeats() async {
        for drain in drains.values { drain.cancel() }
        let tasks = Array(seats.values)
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    /// The life of one seat: an instance after the other, until it is given up or the runner's phase ends.
    private func occupy(_ seat: Int, _ adopted: Instance?) async {
        defer {
            seats[seat] = nil
            leaving.remove(seat)
        }
        var backoff = Backoff(maker.configuration.restarts)
        var rest = Backoff.forRoom
        var adopted = adopted
        while phase == .running, !leaving.contains(seat) {
            var ran = Duration.zero
            do {
                let instance = try await instance(for: seat, adopted)
                let since = ContinuousClock.now
                rest = Backoff.forRoom
                adopted = nil
                let outcome = await outcome(of: instance)
                leave(seat)
                guard outcome != .cancelled else {
                    if phase != .abandoned { await maker.stop(instance) }
                    return
                }
                ran = ContinuousClock.now - since
                let reason = outcome == .stuck ? silence : await maker.end(of: instance).sentence
                readLimits(of: instance)
                limits.forget(instance.record.id)
                await maker.remove(instance)
                failed(reason, nil)
            } catch is CancellationError {
                return
            } catch let failure as RolloutFailure where failure.code == .noRoom {
                failed(failure.message, failure)
                let pause = rest.pause(afterRunningFor: .zero)
                // One more than the least number is not worth waiting for: the autoscaler asks again.
                guard desired <= workload.spec.minimumInstances || leaving.contains(seat) else {
                    limited = failure.message
                    desired -= 1
                    return
                }
                guard phase == .running, await maker.budget.waitForRoom(atMost: pause) else { return }
                continue
            } catch {
                adopted = nil
                failed((error as? RolloutFailure)?.message ?? "\(error)", error)
            }
            guard phase == .running, !leaving.contains(seat) else { return }
            let pause = backoff.pause(afterRunningFor: ran)
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            restarts += 1
        }
    }

    private func outcome(of instance: Instance) async -> Outcome {
        let (cgroups, limit) = (maker.cgroups, workload.id == .checker ? nil : maker.configuration.liveness)
        return await withTaskGroup(of: Outcome.self) { group in
            group.addTask { await instance.process.exited() ? .ended : .cancelled }
            if let limit {
                group.addTask {
                    let watch = LivenessWatch(instance: instance, cgroups: cgroups, limit: limit)
                    return (try? await watch.untilStuck()) == nil ? .cancelled : .stuck
                }
            }
            let first = await group.next() ?? .cancelled
            group.cancelAll()
            return first
        }
    }

    private var silence: String {
        "did not answer its liveness probe for \(Int((maker.configuration.liveness ?? .zero) / .seconds(1))) s"
    }

    private func instance(for seat: Int, _ adopted: Instance?) async throws -> Instance {
        let instance: Instance
        if let adopted {
            instance = adopted
            if ready[seat] == nil { try await awaitAdopted(adopted) }
        } else {
            instance = try await maker.launch(workload)
        }
        enter(seat, instance)
        return instance
    }

    /// An instance that an earlier Deployer had started but not yet seen ready.
    private func awaitAdopted(_ instance: Instance) async throws {
        do {
            let changes = try maker.watch.changes(in: instance.paths.sockets)
            try await maker.waitUntilOpen(instance, changes: changes)
        } catch {
            if phase != .abandoned { await maker.remove(instance) }
            throw error
        }
    }

    private func enter(_ seat: Int, _ instance: Instance) {
        guard phase == .running, !leaving.contains(seat), ready[seat]?.record.id != instance.record.id else { return }
        ready[seat] = instance
        publish()
        logger.info("instance accepts requests", metadata: ["instance": "\(instance.record.id)"])
        settle(.success(())) { ready.count >= $0 }
    }

    private func leave(_ seat: Int) {
        guard ready.removeValue(forKey: seat) != nil, phase == .running else { return }
        publish()
    }

    private func failed(_ reason: String, _ error: (any Error)?) {
        lastFailure = reason
        guard phase == .running else { return }
        logger.warning("instance failed", metadata: ["reason": "\(reason)"])
        settle(.failure(error ?? RolloutFailure(.crashed, "The function ended: \(reason).")))
    }

    private func publish() { report(ready.sorted { $0.key < $1.key }.map(\.value.endpoint)) }

    private func settle(_ result: Result<Void, any Error>, where applies: (Int) -> Bool = { _ in true }) {
        for (number, waiter) in waiters where applies(waiter.count) {
            waiters[number] = nil
            waiter.continuation.resume(with: result)
        }
    }

    private func cancelWaiter(_ number: Int) {
        waiters.removeValue(forKey: number)?.continuation.resume(throwing: CancellationError())
    }
}

extension WorkloadID {
    /// `hello@3` or `checker`.
    var text: String {
        switch self {
        case .revision(let revision): "\(revision)"
        case .checker: "checker"
        }
    }
}
