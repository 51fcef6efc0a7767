import Glibc

/// Asks an instance again and again whether its event loop turns, at the socket that its bootstrap listens on for that.
struct LivenessWatch: Sendable {
    let instance: Instance
    let cgroups: Cgroups
    let limit: Duration

    /// Returns when the instance has hung for too long; throws when cancelled. An image without such a socket never hangs.
    func untilStuck() async throws {
        let gate = SocketGate(livenessOf: instance.paths, userID: instance.record.userID)
        guard gate.accepts || gate.open() else {
            while true { try await Task.sleep(for: .seconds(86_400)) }
        }
        var liveness = Liveness(limit: limit, at: .now)
        while true {
            try await Task.sleep(for: liveness.period)
            guard liveness.wantsProbe(cpu: cgroups.cpuTime(instance.record.id) ?? 0, at: .now) else { continue }
            liveness.probe(delayed: delayed, at: .now)
            if try await answers(gate, within: liveness.period) {
                liveness.answered()
            } else if liveness.isStuck(delayed: delayed, at: .now) {
                return
            }
        }
    }

    /// How long the thread with the event loop has waited for a processor so far, in nanoseconds.
    private var delayed: UInt64 {
        let fields = DiskFile.text("/proc/\(instance.process.pid)/schedstat")?.split(separator: " ") ?? []
        return fields.count > 1 ? UInt64(fields[1]) ?? 0 : 0
    }

    private func answers(_ gate: SocketGate, within patience: Duration) async throws -> Bool {
        guard let descriptor = gate.connected() else { return false }
        defer { close(descriptor) }
        let deadline = ContinuousClock.now.advanced(by: patience)
        var pause = Duration.milliseconds(1)
        while ContinuousClock.now < deadline {
            var byte: UInt8 = 0
            let count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
            // Whatever comes, an end included, somebody is there.
            if count >= 0 || (errno != EAGAIN && errno != EINTR) { return true }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(100))
        }
        return false
    }
}
