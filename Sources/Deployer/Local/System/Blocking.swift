import Dispatch

/// Runs calls that wait in the kernel on threads made for that: the threads of Swift's tasks are as few as there are processors.
enum Blocking {
    /// Runs `body` and waits for it without holding a task's thread.
    static func run(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                body()
                continuation.resume()
            }
        }
    }
}
