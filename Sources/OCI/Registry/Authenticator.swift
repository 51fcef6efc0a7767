import FoundationEssentials
import Synchronization
internal import Transfer

/// What a registry has let us know about getting in, and the tokens it gave us.
final class Authenticator: Sendable {
    private enum Scheme {
        case basic
        case bearer(realm: WebAddress, service: String?)
    }

    private struct State {
        /// `nil` until the registry has asked for anything.
        var scheme: Scheme?
        /// By scopes as asked for.
        var tokens: [[String]: Token] = [:]
        /// What the registry wanted on top of the scopes asked for.
        var additions: [[String]: [String]] = [:]
        /// As whom to talk, and since when that is known; `nil` until it is needed.
        var known: (credentials: RegistryEndpoint.Credentials, since: ContinuousClock.Instant)?
    }

    /// How long credentials are used before their source is asked again: old ones may still let us in, and not everywhere.
    private static let freshness = Duration.seconds(30)

    private let endpoint: RegistryEndpoint
    private let client: HTTPClient
    private let source: any CredentialSource
    private let state = Mutex(State())

    init(_ endpoint: RegistryEndpoint, client: HTTPClient, source: any CredentialSource) {
        self.endpoint = endpoint
        self.client = client
        self.source = source
    }

    /// The value of `Authorization` for a request within `scopes`; `nil` as long as the registry wants none.
    func authorization(for scopes: [String]) async throws(OCIError) -> String? {
        let (scheme, token) = state.withLock { ($0.scheme, $0.tokens[scopes]) }
        switch scheme {
        case nil: return nil
        case .basic: return Self.basic(try await current().credentials)
        case .bearer(let realm, let service):
            if let token, token.expires > .now { return "Bearer " + token.value }
            let additions = state.withLock { $0.additions[scopes] ?? [] }
            let token = try await fetchToken(realm, service, scopes + additions)
            state.withLock { $0.tokens[scopes] = token }
            return "Bearer " + token.value
        }
    }

    /// Takes in the challenges of a 401 to a request with `sent` as its `Authorization`; `false` if none of them can be met.
    func learn(
        _ challenges: [Challenge], for scopes: [String], sent: String?, trusting trust: RegistryTrust
    ) async throws(OCIError) -> Bool {
        for challenge in challenges {
            switch challenge.scheme {
            case "basic":
                // Refused although sent: those at the source may be newer.
                guard let basic = Self.basic(try await ask()), basic != sent else { continue }
                state.withLock { $0.scheme = .basic }
                return true
            case "bearer":
                guard let realm = challenge.parameters["realm"].flatMap({ WebAddress($0) }) else { continue }
                _ = try trust.rule(for: realm)
                state.withLock { state in
                    state.scheme = .bearer(realm: realm, service: challenge.parameters["service"])
                    // Refused with a token: it was given to somebody who may not do this.
                    if let token = state.tokens[scopes], sent == "Bearer " + token.value {
                        state.tokens[scopes] = nil
                        state.known = nil
                    }
                    // Some registries only heed the first scope, so ours stays in front.
                    let wanted = (challenge.parameters["scope"] ?? "").split(separator: " ").map(String.init)
                    for scope in wanted
                    where !scopes.contains(scope) && state.additions[scopes]?.contains(scope) != true {
                        state.additions[scopes, default: []].append(scope)
                    }
                }
                return true
            default: continue
            }
        }
        return false
    }

    private static func basic(_ credentials: RegistryEndpoint.Credentials?) -> String? {
        guard case .basic(let user, let password) = credentials else { return nil }
        return "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }

    /// Asks the token service as the one whom the source names; a second time if newer credentials are to be had.
    private func fetchToken(
        _ realm: WebAddress, _ service: String?, _ scopes: [String]
    ) async throws(OCIError) -> Token {
        let (credentials, isNew) = try await current()
        let request = TokenRequest(
            endpoint: endpoint, client: client, realm: realm, service: service, scopes: scopes,
            account: account(credentials))
        do throws(OCIError) {
            return try await request.send(as: credentials)
        } catch {
            guard error.code == .unauthorized, !isNew else { throw error }
            let newer = try await ask()
            guard newer != credentials else { throw error }
            return try await request.send(as: newer)
        }
    }

    /// As whom to talk, and whether that has just been asked.
    private func current() async throws(OCIError) -> (credentials: RegistryEndpoint.Credentials, isNew: Bool) {
        if let known = state.withLock({ $0.known }), .now - known.since < Self.freshness {
            return (known.credentials, false)
        }
        return (try await ask(), true)
    }

    private func ask() async throws(OCIError) -> RegistryEndpoint.Credentials {
        let credentials = try await source.credentials(for: endpoint.name)
        state.withLock { $0.known = (credentials, .now) }
        return credentials
    }

    /// What a person would have to look at to be let in.
    var account: RegistryAccount { account(state.withLock { $0.known?.credentials } ?? .anonymous) }

    private func account(_ credentials: RegistryEndpoint.Credentials) -> RegistryAccount {
        RegistryAccount(registry: endpoint.name, path: source.path, isAnonymous: credentials == .anonymous)
    }
}
