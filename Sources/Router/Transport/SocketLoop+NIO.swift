import Dispatch
import NIOCore

// What NIO's handlers ask of the loop that they run on.
extension SocketLoop: EventLoop {
    @discardableResult
    func scheduleTask<Value>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> {
        let promise = makePromise(of: Value.self)
        let perform = {
            do { promise.assumeIsolated().succeed(try task()) } catch { promise.fail(error) }
        }
        let timer = LoopTimer.Task(perform, fail: { promise.fail($0) })
        schedule(timer, at: deadline)
        return Scheduled(promise: promise) { [self] in
            if inEventLoop { timer.cancel() } else { execute { timer.cancel() } }
        }
    }

    @discardableResult
    func scheduleTask<Value>(in delay: TimeAmount, _ task: @escaping @Sendable () throws -> Value) -> Scheduled<Value> {
        scheduleTask(deadline: .now() + delay, task)
    }

    func preconditionInEventLoop(file: StaticString, line: UInt) { precondition(inEventLoop, file: file, line: line) }

    func preconditionNotInEventLoop(file: StaticString, line: UInt) {
        precondition(!inEventLoop, file: file, line: line)
    }

    func next() -> any EventLoop { self }

    func makeIterator() -> EventLoopIterator { EventLoopIterator([self]) }

    /// A loop ends with its group.
    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        queue.async { callback(EventLoopError.unsupportedOperation) }
    }
}
