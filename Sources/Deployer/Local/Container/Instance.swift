import Contract

/// An instance whose container exists.
struct Instance: Sendable {
    let record: InstanceRecord
    let paths: InstancePaths
    /// The container's first process.
    let process: ProcessHandle
    /// Its conmon; `nil` when that is gone.
    let monitor: ProcessHandle?
    let slot: NetworkSlot?

    /// Where the Router reaches it.
    var endpoint: Endpoint { Endpoint(id: record.id, address: .unix(path: paths.socket)) }
}

/// How an instance ended by itself.
enum InstanceEnd: Sendable, Hashable, CustomStringConvertible {
    /// The kernel killed it because it had used up its memory.
    case outOfMemory(limit: Int64)
    /// The runtime gave up because the JavaScript heap was full.
    case heapExhausted
    case exited(code: Int)
    case killed(signal: Int)
    /// Nobody was there to take the exit code.
    case unknown

    /// Reads what a monitor wrote down: the exit code, or 128 and the signal's number.
    init(exitFile: String?, outOfMemoryKills: Int, memoryLimit: Int64, lastLines: [String]) {
        let code = exitFile.flatMap { Int($0.filter { !$0.isWhitespace }) }
        if outOfMemoryKills > 0, code != 0 {
            self = .outOfMemory(limit: memoryLimit)
        } else if let code, code > 128, lastLines.contains(where: Self.speaksOfFullHeap) {
            self = .heapExhausted
        } else if let code, code > 128, code <= 192 {
            self = .killed(signal: code - 128)
        } else if let code {
            self = .exited(code: code)
        } else {
            self = .unknown
        }
    }

    /// V8's last words: `Fatal JavaScript out of memory: …` or `JavaScript heap out of memory`.
    private static func speaksOfFullHeap(_ line: String) -> Bool {
        line.contains("JavaScript") && line.contains("out of memory")
    }

    var description: String {
        switch self {
        case .outOfMemory(let limit): "out of memory (limit \(Self.size(limit)))"
        case .heapExhausted: "out of memory (the JavaScript heap is full)"
        case .exited(let code): "exit code \(code)"
        case .killed(let signal): "killed by signal \(signal)"
        case .unknown: "ended without an exit code"
        }
    }

    /// What it means for a rollout.
    var code: RolloutFailure.Code {
        switch self {
        case .outOfMemory, .heapExhausted: .outOfMemory
        case .exited, .killed, .unknown: .crashed
        }
    }

    private static func size(_ bytes: Int64) -> String {
        for (unit, factor) in [("GiB", Int64(1) << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where bytes >= factor && bytes % factor == 0 {
            return "\(bytes / factor) \(unit)"
        }
        return "\(bytes) bytes"
    }
}
