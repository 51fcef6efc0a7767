import Contract
import Logging

/// Keeps the instances of one workload running.
actor WorkloadRunner {
    private enum Phase { case running, retiring, abandoned }

    let workload: Workload
    private let maker: InstanceMaker
    private let logger: Logger
    private let report: @Sendable ([Endpoint]) -> Void
    private var phase = Phase.running
    private var ready: [Int: Instance] = [:]
    private var restarts = 0
    private var lastFailure: String?
    private var waiters: [Int: CheckedContinuation<Void, any Error>] = [:]
    private var nextWaiter = 0
    private var seats: Task<Void, Never>?

    /// A runner of `workload`; `report` learns of each change of the endpoints.
    init(_ workload: Workload, maker: InstanceMaker, report: @escaping @Sendable ([Endpoint]) -> Void) {
        self.workload = workload
        self.maker = maker
        self.report = report
        var logger = maker.logger
        logger[metadataKey: "workload"] = "\(workload.id.text)"
        self.logger = logger
    }

    /// Starts the workload's instances, beginning with those that run already.
    func start(adopting adopted: [Instance] = []) {
        guard seats == nil else { return }
        let open = adopted.filter { SocketGate(paths: $0.paths, userID: $0.record.userID).accepts }
        for (seat, instance) in open.enumerated() { ready[seat] = instance }
        if !open.isEmpty { publish() }
        let list = open + adopted.filter { instance in !open.contains { $0.record.id == instance.record.id } }
        seats = Task {
            await withTaskGroup(of: Void.self) { group in
                for seat in 0..<workload.spec.instances {
                    let instance = seat < list.count ? list[seat] : nil
                    group.addTask { await self.occupy(seat, instance) }
                }
            }
        }
    }

    /// Waits until all instances accept requests; throws when one fails to, or the workload is retired.
    func becomeReady() async throws {
        nextWaiter += 1
        let number = nextWaiter
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if Task.isCancelled {
                    continuation.resume(throwing: CancellationError())
                } else if phase != .running {
                    continuation.resume(throwing: Self.retired)
                } else if ready.count == workload.spec.instances {
                    continuation.resume()
                } else {
                    waiters[number] = continuation
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
        seats?.cancel()
        await seats?.value
    }

    /// Stops supervising; what runs goes on running.
    func abandon() async {
        guard phase == .running else { return }
        phase = .abandoned
        settle(.failure(CancellationError()))
        seats?.cancel()
        await seats?.value
    }

    /// How the workload does.
    var status: WorkloadStatus {
        WorkloadStatus(
            ready: ready.count, desired: workload.spec.instances, restarts: restarts, lastFailure: lastFailure)
    }

    private static let retired = RolloutFailure(.retired, "The revision was retired before it was ready.")

    /// The life of one seat: an instance after the other, until the runner's phase ends.
    private func occupy(_ seat: Int, _ adopted: Instance?) async {
        var backoff = Backoff(maker.configuration.restarts)
        var adopted = adopted
        while phase == .running {
            var ran = Duration.zero
            do {
                let instance = try await instance(for: seat, adopted)
                let since = ContinuousClock.now
                adopted = nil
                let ended = await instance.process.exited()
                leave(seat)
                guard ended else {
                    if phase != .abandoned { await maker.stop(instance) }
                    return
                }
                ran = ContinuousClock.now - since
                let end = await maker.end(of: instance)
                await maker.remove(instance)
                failed("\(end)", nil)
            } catch is CancellationError {
                return
            } catch {
                adopted = nil
                failed((error as? RolloutFailure)?.message ?? "\(error)", error)
            }
            guard phase == .running else { return }
            let pause = backoff.pause(afterRunningFor: ran)
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            restarts += 1
        }
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
        guard phase == .running, ready[seat]?.record.id != instance.record.id else { return }
        ready[seat] = instance
        publish()
        logger.info("instance accepts requests", metadata: ["instance": "\(instance.record.id)"])
        if ready.count == workload.spec.instances { settle(.success(())) }
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

    private func settle(_ result: Result<Void, any Error>) {
        let all = waiters.values
        waiters = [:]
        for waiter in all { waiter.resume(with: result) }
    }

    private func cancelWaiter(_ number: Int) {
        waiters.removeValue(forKey: number)?.resume(throwing: CancellationError())
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
