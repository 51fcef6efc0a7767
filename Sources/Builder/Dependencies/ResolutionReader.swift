import FoundationEssentials

/// Reads the resolver's answer, piece by piece.
struct ResolutionReader {
    /// What is to be done about a connection.
    enum Action: Sendable {
        /// One is asked for.
        case connect(Int, host: String, port: Int)
        /// One is not needed any more.
        case close(Int)
    }

    private struct Frame: Decodable {
        var connect: Int?
        var closed: Int?
        var host: String?
        var port: Int?
        var lock: String?
        var packages: [String]?
        var file: String?
        var cache: String?
        var size: Int?
        var problems: [Resolution.Fault]?
        var end: Bool?
    }

    /// Bytes of caches beside the modules: databases with what the base image has, and the code of as much as a resolver compiles
    /// (`base-image/resolve.js`).
    private static let cacheBytes = 128 << 20

    private let settings: DependencySettings
    private var frames = FrameReader()
    private var pending: (path: String, size: Int, isCache: Bool)?
    /// Bytes of modules, and of caches.
    private var received: [Bool: Int] = [:]

    /// What was found so far.
    private(set) var resolution = Resolution()
    /// Whether the answer is over.
    private(set) var isComplete = false

    init(_ settings: DependencySettings) { self.settings = settings }

    /// Takes what arrived; what is to be done about connections then. Throws ``BuilderError`` for what no resolver sends.
    mutating func take(_ bytes: [UInt8]) throws(BuilderError) -> [Action] {
        frames.append(bytes)
        var actions: [Action] = []
        while !isComplete {
            if let next = pending {
                guard let content = frames.content(next.size) else { break }
                let file = Resolution.File(path: next.path, bytes: content)
                if next.isCache { resolution.caches.append(file) } else { resolution.files.append(file) }
                pending = nil
                continue
            }
            guard let json = try frames.frame() else { break }
            if let action = try read(json) { actions.append(action) }
        }
        return actions
    }

    private mutating func read(_ json: [UInt8]) throws(BuilderError) -> Action? {
        let frame: Frame
        do {
            frame = try JSONDecoder().decode(Frame.self, from: Data(json))
        } catch {
            throw BuilderError(.checkerAnswer, "The resolver sent a message that cannot be read.", cause: error)
        }
        if let id = frame.connect, let host = frame.host, let port = frame.port, (1...65535).contains(port) {
            return .connect(id, host: host, port: port)
        } else if let id = frame.closed {
            return .close(id)
        } else if let lock = frame.lock {
            resolution.lock = lock
            resolution.packages = frame.packages ?? []
        } else if let path = frame.file ?? frame.cache, let size = frame.size, size >= 0 {
            let isCache = frame.file == nil
            let limit = isCache ? settings.bytes + Self.cacheBytes : settings.bytes
            received[isCache, default: 0] += min(size, limit + 1)
            // Beside one cache for each module there are the databases, with what stands beside them.
            let most = settings.files + DenoCaches.databases.count * (1 + DenoCaches.companions.count)
            guard received[isCache, default: 0] <= limit,
                max(resolution.files.count, resolution.caches.count) <= most
            else {
                throw BuilderError(.checkerAnswer, "The resolver sent more than was asked for.")
            }
            pending = (path, size, isCache)
        } else if let faults = frame.problems, !faults.isEmpty {
            resolution.faults = faults
        } else if frame.end == true {
            isComplete = true
        } else {
            throw BuilderError(.checkerAnswer, "The resolver sent a message that means nothing.")
        }
        return nil
    }
}
