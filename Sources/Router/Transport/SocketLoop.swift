import CLinux
import HeapModule
import NIOCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// One thread that waits for sockets by epoll(7), and does what has been asked of it meanwhile: the event loop below ``Connection``.
///
/// NIO's own loops spend on each event what the rest of the Router spends on a request: promises, a pipeline, buffers that are shared with nobody. For
/// what does need a pipeline (TLS, HTTP/2), this is an `EventLoop` of NIO's all the same.
///
/// `@unchecked Sendable`: `queue`, `thread` and the two descriptors, which stay the same for as long as there is someone to use them, may be used by any
/// thread; everything else by the loop's own only, which `inEventLoop` tells.
final class SocketLoop: @unchecked Sendable {
    /// What other threads leave here.
    private struct Queue {
        var tasks: [@Sendable () -> Void] = []
        /// Whether the loop has been told already.
        var isWoken = false
        var isOver = false
    }

    private let epoll: CInt
    private let wakeUp: CInt
    private let queue = Mutex(Queue())
    private let thread = Atomic<UInt>(0)

    // The loop's own from here on.
    private var sources: ContiguousArray<EventSource?> = []
    private var generation: UInt32 = 0
    private var timers = Heap<LoopTimer>()
    private var timerCount: UInt64 = 0
    private var isStopping = false
    /// Who is told of the end.
    private var ended: [@Sendable () -> Void] = []
    /// Where to read to. One for all connections: what is read seldom needs as much.
    private var input: ByteBuffer
    let allocator = ByteBufferAllocator()

    /// Events that are taken from the system at once.
    private static let batch = 256
    /// Bytes that are read at once.
    private static let readSize = 65_536
    /// What is shorter than this is copied, so that it does not keep a whole buffer.
    private static let copied = 16_384

    /// A loop whose thread is called `name`; it runs until ``stop(_:)``.
    init(name: String) throws {
        epoll = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw IOError(errnoCode: errno, reason: "epoll_create1") }
        wakeUp = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
        guard wakeUp >= 0 else {
            let code = errno
            closeDescriptor(epoll)
            throw IOError(errnoCode: code, reason: "eventfd")
        }
        // From here on `deinit` closes both.
        input = allocator.buffer(capacity: Self.readSize)
        guard linux_epoll_control(epoll, EPOLL_CTL_ADD, wakeUp, EPOLLIN.rawValue, .max) == 0 else {
            throw IOError(errnoCode: errno, reason: "epoll_ctl")
        }
        try start(name)
    }

    // Not before: who has left a task for the loop may not have woken it yet, when that is over, and by then the number could be another's.
    deinit {
        closeDescriptor(epoll)
        closeDescriptor(wakeUp)
    }

    private func start(_ name: String) throws {
        let start = Unmanaged.passRetained(ThreadStart(self, name))
        var id = pthread_t()
        let code = pthread_create(&id, nil, runSocketLoop, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw IOError(errnoCode: code, reason: "pthread_create")
        }
        pthread_detach(id)
        // Set by the thread too: whichever comes first.
        thread.store(UInt(id), ordering: .sequentiallyConsistent)
    }

    // MARK: From any thread

    var inEventLoop: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

    func execute(_ task: @escaping @Sendable () -> Void) { _ = enqueue(task) }

    /// Whether `task` is going to be done: not by a loop that has ended.
    private func enqueue(_ task: @escaping @Sendable () -> Void) -> Bool {
        let isOwn = inEventLoop
        let (isTaken, wakes) = queue.withLock { queue in
            guard !queue.isOver else { return (false, false) }
            queue.tasks.append(task)
            // The loop looks for tasks before it waits.
            guard !isOwn, !queue.isWoken else { return (true, false) }
            queue.isWoken = true
            return (true, true)
        }
        if wakes { _ = eventfd_write(wakeUp, 1) }
        return isTaken
    }

    /// Ends the loop: what is open is closed, and what has been asked of it is done. `done` is called when the thread does nothing more.
    func stop(_ done: @escaping @Sendable () -> Void) {
        let isTaken = enqueue { [self] in
            isStopping = true
            ended.append(done)
        }
        if !isTaken { done() }
    }

    /// Does `task` at `deadline`, at the earliest.
    func schedule(_ timer: LoopTimer.Task, at deadline: NIODeadline) {
        guard inEventLoop else { return execute { [self] in schedule(timer, at: deadline) } }
        timerCount += 1
        timers.insert(LoopTimer(deadline: deadline, order: timerCount, task: timer))
    }

    // MARK: The loop's thread

    fileprivate func run() {
        thread.store(UInt(pthread_self()), ordering: .sequentiallyConsistent)
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.batch)
        defer { events.deallocate() }
        while !isStopping {
            runTimers()
            let more = runTasks()
            guard !isStopping else { break }
            let count = epoll_wait(epoll, events, CInt(Self.batch), more ? 0 : patience())
            guard count > 0 else { continue }
            for index in 0..<Int(count) { dispatch(events[index]) }
        }
        end()
    }

    private func dispatch(_ event: epoll_event) {
        let data = event.data.u64
        guard data != .max else {
            var count: eventfd_t = 0
            _ = eventfd_read(wakeUp, &count)
            return
        }
        // A descriptor may have been closed, and be another's by now, since the system told of it.
        let descriptor = Int(truncatingIfNeeded: data & 0xFFFF_FFFF)
        guard let source = sources[descriptor], source.generation == UInt32(data >> 32) else { return }
        source.ready(event.events)
    }

    /// Does what waits; whether there is more by now.
    private func runTasks() -> Bool {
        let tasks = queue.withLock { queue in
            queue.isWoken = false
            return queue.tasks.isEmpty ? [] : exchange(&queue.tasks, with: [])
        }
        guard !tasks.isEmpty else { return false }
        for task in tasks { task() }
        return queue.withLock { !$0.tasks.isEmpty }
    }

    private func runTimers() {
        guard let first = timers.min else { return }
        let now = NIODeadline.now()
        guard first.deadline <= now else { return }
        // What these schedule waits for the next time round.
        var due: [LoopTimer] = []
        while let timer = timers.min, timer.deadline <= now { due.append(timers.removeMin()) }
        for timer in due { timer.task.run?() }
    }

    /// Milliseconds until the next timer; -1: there is none.
    private func patience() -> CInt {
        // What was cancelled would wake the loop for nothing.
        while let first = timers.min, first.task.isCancelled { _ = timers.removeMin() }
        guard let first = timers.min else { return -1 }
        let left = (first.deadline - .now()).nanoseconds
        return CInt(clamping: max(0, (left + 999_999) / 1_000_000))
    }

    private func end() {
        // What is told of the end may open something, schedule it or ask for it.
        repeat {
            while let last = sources.popLast() { last?.loopEnds() }
            let scheduled = timers.unordered
            timers = Heap()
            for timer in scheduled { timer.task.fail?(EventLoopError.shutdown) }
            _ = runTasks()
        } while !endIfIdle()
        // Another thread may be known by the same number soon.
        thread.store(0, ordering: .sequentiallyConsistent)
        for done in exchange(&ended, with: []) { done() }
    }

    /// Takes no more tasks, if there is nothing left to do.
    private func endIfIdle() -> Bool {
        guard sources.isEmpty, timers.isEmpty else { return false }
        return queue.withLock { queue in
            queue.isOver = queue.tasks.isEmpty
            return queue.isOver
        }
    }

    // MARK: Sources

    /// Tells `source` of `events` (EPOLLIN, …) from now on.
    func register(_ source: EventSource, _ events: UInt32) throws {
        assert(inEventLoop)
        let index = Int(source.descriptor)
        generation &+= 1
        // That of the loop's own descriptor.
        if generation == .max { generation = 0 }
        source.generation = generation
        guard linux_epoll_control(epoll, EPOLL_CTL_ADD, source.descriptor, events, data(source)) == 0 else {
            throw IOError(errnoCode: errno, reason: "epoll_ctl")
        }
        while sources.count <= index { sources.append(nil) }
        sources[index] = source
    }

    /// Tells `source` of other events.
    func change(_ source: EventSource, _ events: UInt32) {
        _ = linux_epoll_control(epoll, EPOLL_CTL_MOD, source.descriptor, events, data(source))
    }

    /// Tells `source` of nothing more; closes its descriptor unless `keeping` it.
    func remove(_ source: EventSource, keeping: Bool = false) {
        let index = Int(source.descriptor)
        if index < sources.count, sources[index] === source {
            sources[index] = nil
            if keeping { _ = linux_epoll_control(epoll, EPOLL_CTL_DEL, source.descriptor, 0, 0) }
        }
        if !keeping { closeDescriptor(source.descriptor) }
    }

    private func data(_ source: EventSource) -> UInt64 {
        UInt64(source.generation) << 32 | UInt64(UInt32(bitPattern: source.descriptor))
    }

    // MARK: Reading

    /// What reading a socket has led to.
    enum Reading {
        /// Bytes, and whether there may be more at once.
        case bytes(ByteBuffer, more: Bool)
        case end
        case later
        /// An error number.
        case failed(CInt)
    }

    /// Reads what `descriptor` has now.
    func read(from descriptor: CInt) -> Reading {
        input.clear(minimumCapacity: Self.readSize)
        while true {
            let count = input.withUnsafeMutableWritableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            guard count < 0 else {
                if count == 0 { return .end }
                return .bytes(take(count), more: count >= input.capacity)
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .later
            default: return .failed(errno)
            }
        }
    }

    private func take(_ count: Int) -> ByteBuffer {
        guard count < Self.copied else {
            input.moveWriterIndex(forwardBy: count)
            return input
        }
        var bytes = allocator.buffer(capacity: count)
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
            input.withUnsafeMutableWritableBytes { source in
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<count]))
            }
            return count
        }
        return bytes
    }
}

/// What an event loop watches, for as long as it is registered.
class EventSource {
    let loop: SocketLoop
    let descriptor: CInt
    /// Tells a descriptor from the same number's former use.
    fileprivate(set) var generation: UInt32 = 0

    init(_ loop: SocketLoop, _ descriptor: CInt) {
        self.loop = loop
        self.descriptor = descriptor
    }

    /// Something has happened (EPOLLIN, …).
    func ready(_ events: UInt32) {}

    /// The loop is going to end.
    func loopEnds() {}
}

/// Something that a loop does at some time.
struct LoopTimer: Comparable {
    /// What it does; the loop's own from when it has been scheduled.
    ///
    /// `@unchecked Sendable`: it is made by one thread, and handed to the loop, which alone touches it from then on.
    final class Task: @unchecked Sendable {
        fileprivate var run: (() -> Void)?
        fileprivate var fail: ((any Error) -> Void)?

        init(_ run: @escaping () -> Void, fail: ((any Error) -> Void)? = nil) {
            self.run = run
            self.fail = fail
        }

        fileprivate var isCancelled: Bool { run == nil }

        /// On the loop: does nothing when its time comes.
        func cancel() {
            run = nil
            fail = nil
        }
    }

    let deadline: NIODeadline
    /// Of two for the same time, the one that was scheduled first is first.
    let order: UInt64
    let task: Task

    static func < (left: LoopTimer, right: LoopTimer) -> Bool {
        left.deadline == right.deadline ? left.order < right.order : left.deadline < right.deadline
    }

    static func == (left: LoopTimer, right: LoopTimer) -> Bool { left.order == right.order }
}

/// What a thread is given.
private final class ThreadStart {
    let loop: SocketLoop
    let name: String

    init(_ loop: SocketLoop, _ name: String) {
        self.loop = loop
        self.name = name
    }
}

private func runSocketLoop(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
    linux_name_thread(start.name)
    start.loop.run()
    return nil
}

private func exchange<Value>(_ value: inout Value, with other: Value) -> Value {
    let former = value
    value = other
    return former
}
