import NIOCore
import NIOSSL

/// What a client has opened with the Router, whatever is spoken on it: what limits, proxies in front and a drain have to do with.
protocol ClientConnection: AnyObject {
    /// The connection is that of a client at `address`, as a trusted proxy says.
    func identify(_ address: SocketAddress)
    /// It had to begin with a header of the PROXY protocol, and did not.
    func refuseWithoutProxyHeader()
    /// The Router is going to stop: what is idle may end.
    func drainBegan()
    /// Ends at once, unless it is a tunnel and those are to be spared.
    func stop(tunnelsToo: Bool)
}

extension Worker {
    /// Who is at `address`.
    func identity(_ address: SocketAddress?) -> ClientIdentity {
        ClientIdentity(
            address, trusting: settings.configuration.trustedProxies,
            scheme: settings.certificates == nil ? .http : .https)
    }

    /// Gives a connection that has been accepted its handlers.
    func accept(_ channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let client = identity(channel.remoteAddress)
        // Only a proxy that is trusted may say whose connection it is; it does so before TLS.
        let isProxied = settings.configuration.proxyProtocol && client.isTrusted
        guard let certificates = settings.certificates else {
            let handler = ClientHandler(self, client)
            if isProxied { try pipeline.addHandler(ProxyHeaderHandler(handler)) }
            return try pipeline.addHandler(handler)
        }
        let handshake = TLSHandshakeHandler(self, client)
        if isProxied { try pipeline.addHandler(ProxyHeaderHandler(handshake)) }
        try pipeline.addHandlers(
            PlainTextHandler(handshake), NIOSSLServerHandler(context: certificates.current.context), handshake)
    }
}
