import NIOCore
import Synchronization

/// Connections that were accepted and wait to be served.
final class UnservedChannels: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    func insert(_ channel: any Channel) { channels.withLock { $0[ObjectIdentifier(channel)] = channel } }

    func remove(_ channel: any Channel) { channels.withLock { $0[ObjectIdentifier(channel)] = nil } }

    /// Closes them all.
    func close() {
        let rest = channels.withLock { channels in
            defer { channels = [:] }
            return channels.values.map(\.self)
        }
        for channel in rest { channel.close(promise: nil) }
    }
}
