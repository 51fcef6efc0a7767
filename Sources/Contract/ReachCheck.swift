/// What a Deployer asks a Router (`POST /internal/reached`): whether something accepts connections at addresses that only Routers may dial.
///
/// The Router answers 204 as soon as all of them do, or 409 after ``waitMilliseconds``.
package struct ReachCheck: Hashable, Sendable, Codable {
    /// Where; literal IP addresses with ports.
    package var addresses: [Endpoint.Address]
    /// How long the answer may take, in milliseconds; at most 30,000.
    package var waitMilliseconds: Int

    /// Whether all of `addresses` accept connections.
    package init(addresses: [Endpoint.Address], waitMilliseconds: Int) {
        self.addresses = addresses
        self.waitMilliseconds = waitMilliseconds
    }
}
