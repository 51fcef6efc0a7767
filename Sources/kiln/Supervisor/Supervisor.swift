import CLinux
import Contract
import Glibc
import Logging

/// One program that `kiln up` keeps running.
struct ChildPlan: Sendable {
    /// Its name in messages and of its record.
    var name: String
    /// The program's path and arguments.
    var arguments: [String]
    /// A descriptor that it gets as number 3.
    var inherited: Int32?
    /// A file for its output, emptied at each start; without one it goes where the supervisor's goes.
    var log: String?
    /// How long it may take to end after SIGTERM.
    var grace: Duration
}

/// Keeps the children running: one that ends is started again, sooner after a long life, later after a short one.
actor Supervisor {
    /// The exit code of a role that cannot start and would not the next time either (`EX_CONFIG`, sysexits.h).
    static let hopeless: Int32 = 78
    private static let backOff: [Duration] = [.milliseconds(50), .milliseconds(200), .seconds(1), .seconds(5)]

    private let state: StateDirectory
    private let logger: Logger
    nonisolated let lifeline: Lifeline
    private var running: [String: ChildProcess] = [:]
    private var stopping: Set<String> = []
    private var keepers: [String: Task<Void, Never>] = [:]

    /// Names of children that gave up for good.
    nonisolated let failures = Broadcast<String>()

    init(state: StateDirectory, logger: Logger) throws {
        self.state = state
        self.logger = logger
        lifeline = try Lifeline()
    }

    /// Starts a child and keeps it running until ``stop(_:)``.
    func start(_ plan: ChildPlan) throws {
        stopping.remove(plan.name)
        let child = try launch(plan)
        keepers[plan.name] = Task { await keep(plan, child) }
    }

    /// Ends a child: SIGTERM, after its grace SIGKILL.
    func stop(_ plan: ChildPlan) async {
        stopping.insert(plan.name)
        if let child = running[plan.name] {
            child.signal(SIGTERM)
            let killer = Task {
                try await Task.sleep(for: plan.grace)
                logger.warning("does not end; killing it", metadata: ["child": "\(plan.name)"])
                child.signal(SIGKILL)
            }
            _ = await child.exitCode
            killer.cancel()
        }
        await keepers[plan.name]?.value
        unlink(state.record(plan.name))
        unlink(state.socket(plan.name))
    }

    /// Ends the child of the plan's name and starts it again by the plan.
    func replace(_ plan: ChildPlan) async throws {
        await stop(plan)
        try start(plan)
    }

    /// Ends all children at once, without grace.
    func killAll() {
        stopping.formUnion(keepers.keys)
        for child in running.values { child.signal(SIGKILL) }
    }

    private func launch(_ plan: ChildPlan) throws -> ChildProcess {
        let child = try ChildProcess(
            plan.arguments, lifeline: lifeline.readEnd, inherited: plan.inherited, log: plan.log)
        running[plan.name] = child
        try ProcessRecord(path: state.record(plan.name)).write(child.pid)
        return child
    }

    private func keep(_ plan: ChildPlan, _ first: ChildProcess) async {
        var child = first
        var failures = 0
        while true {
            let started = ContinuousClock.now
            let code = await child.exitCode
            running[plan.name] = nil
            if stopping.contains(plan.name) { return }
            guard code != Self.hopeless else {
                self.failures.send(plan.name)
                return
            }
            failures = started.duration(to: .now) > .seconds(30) ? 0 : failures + 1
            let pause = Self.backOff[min(max(failures - 1, 0), Self.backOff.count - 1)]
            logger.warning(
                "ended by itself; starting it again",
                metadata: ["child": "\(plan.name)", "exitCode": "\(code)", "in": "\(pause)"])
            try? await Task.sleep(for: pause)
            if stopping.contains(plan.name) { return }
            do {
                child = try launch(plan)
            } catch {
                logger.error("cannot be started again", metadata: ["child": "\(plan.name)", "error": "\(error)"])
                self.failures.send(plan.name)
                return
            }
        }
    }
}

/// A pipe whose write end only the supervisor has: when it dies, however, the children read the end of file.
struct Lifeline: Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    init() throws {
        var ends: [Int32] = [0, 0]
        guard pipe2(&ends, O_CLOEXEC) == 0 else {
            throw StartError("Cannot make a pipe: \(String(cString: strerror(errno))).")
        }
        readEnd = ends[0]
        writeEnd = ends[1]
    }
}
