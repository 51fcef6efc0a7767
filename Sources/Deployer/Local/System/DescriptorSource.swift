import Dispatch
import Glibc

/// Calls a closure whenever a descriptor becomes readable, and closes the descriptor in the end.
///
/// `@unchecked Sendable`: the only stored property is a dispatch source, which is set once; libdispatch's objects may be
/// cancelled from any thread (dispatch_source_cancel(3)).
final class DescriptorSource: @unchecked Sendable {
    private static let queue = DispatchQueue(label: "kiln.descriptors")
    private let source: any DispatchSourceRead

    /// Watches `descriptor`, which belongs to the source from now on. `onReadable` runs on a queue of its own and must not block.
    init(owning descriptor: Int32, onReadable: @escaping @Sendable () -> Void) {
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: Self.queue)
        source.setEventHandler(handler: onReadable)
        source.setCancelHandler { close(descriptor) }
        source.activate()
    }

    deinit { source.cancel() }
}
