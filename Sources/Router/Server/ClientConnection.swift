import Logging
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

    /// Takes over the connection of a client at `address` that has been accepted.
    func accept(_ descriptor: CInt, _ address: SocketAddress?) {
        let connection = Connection(eventLoop, descriptor)
        let client = identity(address)
        // Only a proxy that is trusted may say whose connection it is; it does so before TLS.
        let isProxied = settings.configuration.proxyProtocol && client.isTrusted
        do {
            guard let certificates = settings.certificates else {
                let handler = ClientHandler(self, client)
                try connection.start(isProxied ? ProxyHeaderReader(connection, handler, handler) : handler)
                return handler.attach(to: connection)
            }
            let channel = ConnectionChannel(connection)
            let handshake = TLSHandshakeHandler(self, client)
            try connection.start(isProxied ? ProxyHeaderReader(connection, handshake, channel) : channel)
            try channel.pipeline.syncOperations.addHandlers(
                PlainTextHandler(handshake), NIOSSLServerHandler(context: certificates.current.context), handshake)
            channel.activate()
        } catch {
            log(.debug, "no connection with a client") { ["error": "\(error)"] }
            connection.close()
        }
    }
}
