import Contract
import Telemetry

/// How a Router runs: parsed once, at start.
package struct RouterConfiguration: Sendable {
    /// Where clients connect.
    package enum Listen: Sendable, Equatable {
        /// A literal address or name, and a port; 0 takes a free one.
        case address(host: String, port: Int)
        /// A socket that listens already and that a supervisor keeps open over restarts of the Router: connections that
        /// arrive in between wait in its backlog.
        case inherited(descriptor: CInt)
    }

    /// The way to the roles behind `/func`, and who may take it.
    package struct Management: Sendable {
        /// Gets `POST /func`.
        package var builder: Endpoint.Address
        /// Gets every other call of `/func…`.
        package var deployer: Endpoint.Address
        /// Gets `/metrics` and `/openapi.json`: the Router's process itself, which asks the other roles. `nil`: there are none here.
        package var observer: Endpoint.Address?
        /// Replaces the client's Authorization.
        package var internalToken: String
        /// What the client has to present; `nil` asks for nothing, which is right for a loopback address only.
        package var token: String?
        /// Names besides loopback that Host may carry, without port.
        package var hostNames: [String]

        /// Calls go to `builder` and `deployer`.
        package init(
            builder: Endpoint.Address,
            deployer: Endpoint.Address,
            internalToken: String,
            observer: Endpoint.Address? = nil,
            token: String? = nil,
            hostNames: [String] = []
        ) {
            self.builder = builder
            self.deployer = deployer
            self.observer = observer
            self.internalToken = internalToken
            self.token = token
            self.hostNames = hostNames
        }
    }

    /// Where clients connect.
    package var listen: Listen
    /// The management calls; `nil`: there are none here.
    package var management: Management?
    /// Host names under which functions answer at their root; those of ``Management/hostNames`` are not among them. `nil`: there are none;
    /// flag `--function-host`.
    package var functionHost: FunctionHost?
    /// How long things may take.
    package var timeouts = Timeouts()
    /// How large things may be.
    package var limits = Limits()
    /// Proxies whose X-Forwarded-* and Forwarded fields are believed; those of all others are replaced.
    package var trustedProxies: [IPv4Range] = []
    /// Whether each connection of a trusted proxy begins with a header of the PROXY protocol, version 1 or 2; flag `--proxy-protocol`.
    package var proxyProtocol = false
    /// The certificate for clients, who then speak TLS; `nil`: they speak HTTP as it is.
    package var tls: TLSFiles?
    /// Where each request gets a line; `nil`: nowhere.
    package var accessLog: AccessLog?
    /// Which requests are recorded as spans, and where those go; `nil`: none.
    package var tracing: Tracing?

    /// A Router that listens at `listen`, with defaults for the rest.
    package init(listen: Listen, management: Management? = nil) {
        self.listen = listen
        self.management = management
    }

    /// Throws ``RouterError`` for settings that can't work.
    package func validate() throws(RouterError) {
        for (name, value) in [("management token", management?.token), ("internal token", management?.internalToken)] {
            guard let value else { continue }
            guard !value.isEmpty, value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw RouterError(.configuration, "The \(name) must consist of visible ASCII characters, at least one.")
            }
        }
        guard !proxyProtocol || !trustedProxies.isEmpty else {
            throw RouterError(
                .configuration,
                "The PROXY protocol is spoken with trusted proxies only: name them with --trusted-proxy."
            )
        }
        guard (1_024...Limits.maximumHead).contains(limits.headBytes) else {
            throw RouterError(
                .configuration,
                "The limit of a request's head must be between 1024 and \(Limits.maximumHead) bytes."
            )
        }
        guard limits.targetBytes > 0, limits.fields > 0, limits.connections > 0, limits.held >= 0,
            limits.pooled >= 0, limits.http2.streams > 0, limits.http2.window > 0, limits.metricFunctions >= 0
        else {
            throw RouterError(.configuration, "The limits of target, fields and connections must be positive.")
        }
        for duration in timeouts.all where duration <= .zero {
            throw RouterError(.configuration, "Timeouts must be positive.")
        }
    }
}

extension RouterConfiguration {
    /// How long things may take. Whether a response is in time is the route's own timeout: until its head, counted from
    /// the end of the request's body or its last movement; after that only standing still counts, so that streams live
    /// as long as they move.
    package struct Timeouts: Sendable {
        /// The handshake of TLS; flag `--tls-handshake-timeout`.
        package var handshake: Duration = .seconds(10)
        /// A request's head, from its first byte; also the first byte of a new connection; flag `--header-timeout`.
        package var head: Duration = .seconds(10)
        /// Between requests of one connection; flag `--idle-timeout`.
        package var idle: Duration = .seconds(75)
        /// The time over which ``Limits/minimumBodyRate`` is measured, and that a body may stand still; flag `--body-timeout`.
        package var body: Duration = .seconds(30)
        /// A response body, or a client that takes nothing of one, may stand still; flag `--stream-timeout`.
        package var stream: Duration = .seconds(300)
        /// A tunnel may stand still; flag `--websocket-timeout`.
        package var tunnel: Duration = .seconds(3600)
        /// A connection to an instance.
        package var connect: Duration = .seconds(5)
        /// A request waits for an instance that takes it, dials that fail included; flag `--wait-timeout`.
        package var hold: Duration = .seconds(10)
        /// A management call waits for a role that starts again.
        package var role: Duration = .seconds(5)
        /// The head of a role's answer: a deploy is answered when it is live.
        package var management: Duration = .seconds(900)
        /// An idle connection to an instance stays open. Less than servers keep theirs (Node's: 5 s), so that no
        /// request meets one that is just being closed.
        package var pooled: Duration = .seconds(3)
        /// After a response that ends the connection, or while a body nobody wants is thrown away.
        package var linger: Duration = .seconds(2)
        /// After a client's half-close, until a request that is not answered yet is probed with `100 Continue`: if the
        /// client is gone altogether, its system answers with a reset.
        package var probe: Duration = .seconds(1)
        /// An idle connection is left open after a drain began, for a request that may be on its way.
        package var drainIdle: Duration = .seconds(1)
        /// Between two samples of the load; ten of them make a report to the Deployer.
        package var sample: Duration = .milliseconds(100)
        /// How exactly deadlines are kept.
        package var resolution: Duration = .milliseconds(100)

        /// The defaults.
        package init() {}

        var all: [Duration] {
            [
                handshake, head, idle, body, stream, tunnel, connect, hold, role, management, pooled, linger, probe,
                drainIdle,
                sample, resolution,
            ]
        }
    }

    /// How large things may be.
    package struct Limits: Sendable {
        /// The largest value of ``headBytes``.
        package static let maximumHead = 65_535

        /// A request target, in bytes; flag `--max-target`.
        package var targetBytes = 8_192
        /// A request's head, in bytes; flag `--max-header-bytes`.
        package var headBytes = 32_768
        /// The fields of a request's head; flag `--max-headers`.
        package var fields = 100
        /// A body sent to a function, in bytes; `nil`: no limit; flag `--max-body`.
        package var functionBody: Int?
        /// The bytes per second that a request body must bring while nothing has been answered; 0: only standing still
        /// counts.
        package var minimumBodyRate = 32
        /// Open client connections, shared evenly by the event loops; flag `--max-connections`.
        package var connections = 16_384
        /// Requests that wait for an instance of one function; flag `--max-waiting`.
        package var held = 10_000
        /// Idle connections kept to one endpoint by one event loop; flag `--max-idle-connections`.
        package var pooled = 256
        /// Functions with metrics of their own; those beyond are counted together.
        package var metricFunctions = 500
        /// What one connection that speaks HTTP/2 may ask for.
        package var http2 = HTTP2Limits()
        /// Bytes of an unwanted body that are thrown away to keep the connection.
        package var discarded = 65_536

        /// The defaults.
        package init() {}
    }
}

/// Why a Router can't start.
package struct RouterError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure.
    package enum Code: String, Sendable {
        /// A setting can't work.
        case configuration
        /// The address can't be listened at.
        case listen
        /// An endpoint's address can't be dialled.
        case endpoint
    }

    /// The kind.
    package var code: Code
    /// A sentence for the person who must act.
    package var message: String
    /// What lies beneath.
    package var cause: (any Error)?

    /// A failure.
    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message) (\($0))" } ?? message }
}
