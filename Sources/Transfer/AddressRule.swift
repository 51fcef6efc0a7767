/// Which addresses a request may dial, decided on the resolved address at the moment of connecting.
///
/// A check of the name alone could be passed by a name that resolves differently a moment later. A request that goes
/// through a proxy is not checked: the proxy dials.
package struct AddressRule: Sendable {
    let permits: @Sendable (PeerAddress) -> Bool

    /// Dials only addresses for which `permits` answers `true`. It is called on the client's own thread and must be
    /// quick.
    package init(permits: @escaping @Sendable (PeerAddress) -> Bool) { self.permits = permits }
}
