import Contract
import Logging

/// Network slots: some are kept ready, so that an instance does not wait for one, and each is used once.
actor NetworkPool {
    /// How long upkeep waits when it is not urgent: about as long as an instance takes to start.
    private static let pause = Duration.milliseconds(300)

    private let wires: Wires
    private var firewall: Firewall
    private let target: Int
    private let logger: Logger
    private var free: [Int]
    private var preparing: Set<Int> = []
    private var ready: [Int] = []
    private var used: [Int: NetworkSlot] = [:]
    private var ended: [Int] = []
    private var upkeep: Task<Void, Never>?
    private var lastUpdate: Task<Void, any Error>?
    private let wake: AsyncStream<Void>.Continuation
    private let wakes: AsyncStream<Void>

    /// A pool that keeps `target` slots ready once it is started.
    init(wires: Wires, firewall: Firewall, target: Int, logger: Logger) {
        self.wires = wires
        self.firewall = firewall
        self.target = target
        self.logger = logger
        free = Array(1...wires.pool.lastSlot)
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes over the slots of adopted instances, sets up the firewall for them, removes all other slots of the installation and
    /// starts to keep some ready.
    func start(adopted: [NetworkSlot]) async throws(DeployerError) {
        for slot in adopted { used[slot.number] = slot }
        free.removeAll { used[$0] != nil }
        var firewall = firewall
        try await firewall.establish(slots: adopted)
        self.firewall = firewall
        for chain in await firewall.obstacles() {
            logger.warning(
                "another firewall drops what it does not know: functions reach nothing until it accepts their devices",
                metadata: ["chain": "\(chain)", "devices": "\(wires.names.devicePrefix)*"])
        }
        await wires.remove(wires.existing().subtracting(used.keys).sorted())
        upkeep = Task { await self.keepUp() }
    }

    /// A slot for an instance with `policy`, which the firewall enforces when this returns.
    func acquire(_ policy: NetworkPolicy) async throws(DeployerError) -> NetworkSlot {
        while ready.isEmpty { try await make(1) }
        let slot = NetworkSlot(number: ready.removeFirst(), policy: policy)
        used[slot.number] = slot
        wake.yield()
        guard policy != .internet else { return slot }
        do {
            try await updateFirewall()
        } catch {
            release(slot)
            throw error
        }
        return slot
    }

    /// Gives back the slot of an instance that has ended; it is taken apart in the background.
    func release(_ slot: NetworkSlot) {
        guard used.removeValue(forKey: slot.number) != nil else { return }
        ended.append(slot.number)
        wake.yield()
    }

    /// Stops the upkeep and waits until nothing of it is under way; slots stay.
    func stop() async {
        upkeep?.cancel()
        await upkeep?.value
        upkeep = nil
    }

    /// Removes all slots, the name server's address and the firewall table.
    func removeAll() async {
        await stop()
        await wires.remove(wires.existing().sorted())
        await wires.removeNameServer()
        do {
            try await firewall.remove()
        } catch {
            logger.error("the firewall's table stays", metadata: ["error": "\(error)"])
        }
        used = [:]
        ready = []
    }

    /// Ready slots may reach the internet: that is what most instances want, and nothing runs in them yet.
    private var known: [NetworkSlot] {
        used.values + (ready + preparing).map { NetworkSlot(number: $0, policy: .internet) }
    }

    /// Brings the firewall's policies in line with the slots. One update at a time, each with what is known when it starts: an older
    /// one can never overwrite a newer one.
    private func updateFirewall() async throws(DeployerError) {
        let previous = lastUpdate
        let update = Task {
            _ = await previous?.result
            try await firewall.setPolicies(slots: known)
        }
        lastUpdate = update
        do {
            try await update.value
        } catch {
            throw error as? DeployerError ?? DeployerError(.network, "Cannot set the firewall's policies.", error)
        }
    }

    private func make(_ count: Int) async throws(DeployerError) {
        let numbers = Array(free.prefix(count))
        guard !numbers.isEmpty else {
            throw DeployerError(.network, "All \(wires.pool.lastSlot) network slots of \(wires.pool.range) are in use.")
        }
        free.removeFirst(numbers.count)
        preparing.formUnion(numbers)
        defer { preparing.subtract(numbers) }
        do {
            try await wires.make(numbers)
            try await updateFirewall()
            ready += numbers
        } catch {
            await wires.remove(numbers)
            free += numbers
            throw error
        }
    }

    private func keepUp() async {
        wake.yield()
        for await _ in wakes {
            // While there is stock, the processors belong to the instance that has just taken a slot.
            if ready.count > 1 { try? await Task.sleep(for: Self.pause) }
            guard !Task.isCancelled else { return }
            await takeApart()
            let missing = min(target - ready.count, free.count)
            guard missing > 0, !Task.isCancelled else { continue }
            do {
                try await make(missing)
            } catch {
                logger.error("network slots cannot be made", metadata: ["error": "\(error)"])
            }
        }
    }

    private func takeApart() async {
        let numbers = ended
        guard !numbers.isEmpty else { return }
        ended = []
        await wires.remove(numbers)
        do {
            try await updateFirewall()
        } catch {
            logger.error("the firewall keeps policies of ended instances", metadata: ["error": "\(error)"])
        }
        // Last in line, so that an address is used again as late as possible.
        free += numbers
    }
}
