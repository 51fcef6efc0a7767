import CLinux
import Glibc

/// A program that `kiln up` runs: in a session of its own, so that Ctrl-C reaches only the supervisor, with a lifeline as its standard
/// input, which ends when the supervisor does, however it ends.
final class ChildProcess: Sendable {
    let pid: pid_t
    private let exit: Task<Int32, Never>

    /// Starts `arguments`, the first one a path. `inherited` becomes descriptor 3; everything else of the supervisor is closed.
    /// Output goes to the file `log`, or to the supervisor's standard error.
    init(_ arguments: [String], lifeline: Int32, inherited: Int32?, log: String?) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, lifeline, 0)
        if let log {
            posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        } else {
            posix_spawn_file_actions_adddup2(&actions, 2, 1)
        }
        if let inherited { posix_spawn_file_actions_adddup2(&actions, inherited, 3) }
        posix_spawn_file_actions_addclosefrom_np(&actions, inherited == nil ? 3 : 4)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | 0x80))

        var pid: pid_t = 0
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        pointers.append(nil)
        let result = posix_spawn(&pid, arguments[0], &actions, &attributes, pointers, environ)
        guard result == 0 else {
            throw StartError("Cannot start \(arguments[0]): \(String(cString: strerror(result))).")
        }
        self.pid = pid
        let waited = pid
        exit = Task.detached { await Self.wait(waited) }
    }

    /// The exit code, or 128 and the signal's number, once the child has ended.
    var exitCode: Int32 { get async { await exit.value } }

    func signal(_ number: Int32) { kill(pid, number) }

    private static func wait(_ pid: pid_t) async -> Int32 {
        await withCheckedContinuation { continuation in
            startThread {
                var status: Int32 = 0
                while waitpid(pid, &status, 0) < 0, errno == EINTR {}
                let signal = status & 0x7f
                continuation.resume(returning: signal == 0 ? (status >> 8) & 0xff : 128 + signal)
            }
        }
    }
}

/// Runs `body` on a thread of its own: for calls that block.
func startThread(_ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(ThreadBody(body))
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let result = pthread_create(&thread, &attributes, threadMain, box.toOpaque())
    if result != 0 {
        box.release()
        body()
    }
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
    return nil
}
