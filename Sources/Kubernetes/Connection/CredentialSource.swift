import Contract
import FoundationEssentials
import Transfer

/// Gives each request the credentials that hold now: reads a token file again, runs a plugin again, before and after they expire.
actor CredentialSource {
    /// What a request proves itself with.
    struct Proof: Sendable, Hashable {
        /// The bearer token.
        var token: String?
        /// The certificate for the TLS handshake.
        var identity: TLSSettings.Identity?
    }

    /// How long a token file's content is used before it is read again. The kubelet renews a token when 80 % of its life (an hour by
    /// default) is over, so that the old one still holds for minutes.
    static let fileLifetime = Duration.seconds(60)
    /// How long before its expiry a plugin's credential is renewed.
    static let margin = Duration.seconds(30)

    private let credentials: ClusterCredentials
    private let now: @Sendable () -> Timestamp
    private var held: (proof: Proof, until: Timestamp?)?
    private var running: Task<(Proof, Timestamp?), any Error>?

    init(_ credentials: ClusterCredentials, now: @escaping @Sendable () -> Timestamp = Timestamp.now) {
        self.credentials = credentials
        self.now = now
    }

    /// The credentials that hold now; throws ``APIError`` when there are none to be had.
    func proof() async throws(APIError) -> Proof {
        if let held, held.until.map({ now() < $0 }) ?? true { return held.proof }
        switch credentials.bearer {
        case .none: return hold(Proof(token: nil, identity: credentials.identity), until: nil)
        case .token(let token): return hold(Proof(token: token, identity: credentials.identity), until: nil)
        case .file(let path):
            let token = try Self.read(path)
            return hold(Proof(token: token, identity: credentials.identity), until: now() + Self.fileLifetime)
        case .plugin(let plugin): return try await run(plugin)
        }
    }

    /// The server refused `proof` (401): the next request gets another, if there may be one. Returns whether there may.
    func reject(_ proof: Proof) -> Bool {
        switch credentials.bearer {
        case .none, .token: return false
        case .file, .plugin:
            if held?.proof == proof { held = nil }
            return true
        }
    }

    private func hold(_ proof: Proof, until: Timestamp?) -> Proof {
        held = (proof, until)
        return proof
    }

    /// One run at a time, whoever asks.
    private func run(_ plugin: ExecPlugin) async throws(APIError) -> Proof {
        let identity = credentials.identity
        let joined = running
        let task =
            joined
            ?? Task {
                let credential = try await plugin.run()
                return (
                    Proof(token: credential.token, identity: credential.identity ?? identity),
                    credential.expires.map { $0 - Self.margin }
                )
            }
        running = task
        defer { if joined == nil { running = nil } }
        do {
            let (proof, until) = try await task.value
            return hold(proof, until: until)
        } catch let error as APIError {
            throw error
        } catch {
            throw APIError(.connection, "The credential plugin did not finish.", cause: error)
        }
    }

    private static func read(_ path: String) throws(APIError) -> String {
        do {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let token = String(text.filter { !$0.isWhitespace })
            guard !token.isEmpty else { throw APIError(.connection, "The token file \(path) is empty.") }
            return token
        } catch let error as APIError {
            throw error
        } catch {
            throw APIError(.connection, "The token file \(path) cannot be read.", cause: error)
        }
    }
}

extension Timestamp {
    static func + (moment: Timestamp, duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        return Timestamp(milliseconds: moment.milliseconds + seconds * 1000 + attoseconds / 1_000_000_000_000_000)
    }

    static func - (moment: Timestamp, duration: Duration) -> Timestamp { moment + (.zero - duration) }
}
