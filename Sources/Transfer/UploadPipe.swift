import Synchronization

/// The way of a streamed request body from the task that pulls its chunks to the engine's thread.
///
/// It holds some 256 KiB: a producer that is ahead waits, an engine that is ahead pauses the sending and is told when
/// there is more.
final class UploadPipe: Sendable {
    /// What the engine got.
    enum Read {
        case bytes(Int)
        case end
        /// Nothing now; `start`'s closure will be called when there is.
        case empty
        case failure(TransferError)
    }

    private struct State {
        var incoming: [UInt8] = []
        var current: [UInt8] = []
        var offset = 0
        var isStarved = false
        var isClosed = false
        var end: Result<Void, TransferError>?
        var producer: CheckedContinuation<Void, Never>?
        var pump: Task<Void, Never>?
        var taken = 0

        /// Moves what waits to where it is read from.
        mutating func advance() {
            guard offset == current.count else { return }
            current = incoming
            incoming = []
            offset = 0
        }
    }

    private let length: Int?
    private let source: @Sendable () -> BodySource
    private let state = Mutex(State())

    init(length: Int?, source: @escaping @Sendable () -> BodySource) {
        self.length = length
        self.source = source
    }

    /// The declared length, if any.
    var declaredLength: Int? { length }

    /// Begins to pull chunks; `wake` is called when the engine found nothing and now there is something.
    func start(wake: @escaping @Sendable () -> Void) {
        // A task of its own, because the body may still be sent while the caller already reads the answer. `close` ends
        // it.
        let pump = Task { [self] in
            do {
                try await source().run { chunk in try await offer(chunk, wake: wake) }
                end(.success(()), wake: wake)
            } catch let error as TransferError {
                end(.failure(error), wake: wake)
            } catch {
                end(
                    .failure(TransferError(.bodyFailed, "The request's body could not be read.", cause: error)),
                    wake: wake)
            }
        }
        let isClosed = state.withLock { state in
            state.pump = pump
            return state.isClosed
        }
        if isClosed { pump.cancel() }
    }

    /// The exchange is over: lets the producer go.
    func close() {
        let (pump, producer) = state.withLock { state in
            state.isClosed = true
            defer { state.producer = nil }
            return (state.pump, state.producer)
        }
        pump?.cancel()
        producer?.resume()
    }

    /// Fills `buffer` for the engine.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Read {
        let (read, producer) = state.withLock { state -> (Read, CheckedContinuation<Void, Never>?) in
            state.advance()
            let count = min(buffer.count, state.current.count - state.offset)
            guard count > 0 else { return (Self.nothing(&state, length: length), nil) }
            if let length, state.taken + count > length {
                return (
                    .failure(
                        TransferError(.bodyFailed, "The request's body is longer than the \(length) bytes announced.")),
                    nil
                )
            }
            state.current.withUnsafeBytes { bytes in
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[state.offset..<state.offset + count]))
            }
            state.offset += count
            state.taken += count
            guard state.incoming.count < ExchangeState.highWater else { return (.bytes(count), nil) }
            defer { state.producer = nil }
            return (.bytes(count), state.producer)
        }
        producer?.resume()
        return read
    }

    /// Whether nothing was read yet, so that the body can be sent from its start.
    var isUntouched: Bool { state.withLock { $0.taken == 0 } }

    private static func nothing(_ state: inout State, length: Int?) -> Read {
        switch state.end {
        case .failure(let error): return .failure(error)
        case .success:
            if let length, state.taken < length {
                return .failure(
                    TransferError(
                        .bodyFailed, "The request's body ended after \(state.taken) of the \(length) bytes announced."))
            }
            return .end
        case nil:
            state.isStarved = true
            return .empty
        }
    }

    private func offer(_ chunk: [UInt8], wake: @Sendable () -> Void) async throws {
        let (starved, closed) = state.withLock { state in
            state.incoming.append(contentsOf: chunk)
            defer { state.isStarved = false }
            return (state.isStarved && !chunk.isEmpty, state.isClosed)
        }
        if closed { throw CancellationError() }
        if starved { wake() }
        await withCheckedContinuation { continuation in
            let goes = state.withLock { state in
                guard state.incoming.count >= ExchangeState.highWater, !state.isClosed else { return true }
                state.producer = continuation
                return false
            }
            if goes { continuation.resume() }
        }
    }

    private func end(_ result: Result<Void, TransferError>, wake: @Sendable () -> Void) {
        let starved = state.withLock { state in
            state.end = result
            defer { state.isStarved = false }
            return state.isStarved
        }
        if starved { wake() }
    }
}
