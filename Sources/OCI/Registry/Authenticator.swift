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
        /// As whom to talk; `nil` until that is needed.
        var credentials: RegistryEndpoint.Credentials?
    }

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
        case .basic: return Self.basic(state.withLock { $0.credentials })
        case .bearer(let realm, let service):
            if let token, token.expires > .now { return "Bearer " + token.value }
            let additions = state.withLock { $0.additions[scopes] ?? [] }
            let token = try await fetchToken(realm, service, scopes + additions)
            state.withLock { $0.tokens[scopes] = token }
            return "Bearer " + token.value
        }
    }

    /// Takes in the challenges of a 401; `false` if none of them can be met.
    func learn(
        _ challenges: [Challenge], for scopes: [String], trusting trust: RegistryTrust
    ) async throws(OCIError) -> Bool {
        for challenge in challenges {
            switch challenge.scheme {
            case "basic":
                // Refused although sent: those at the source may be newer.
                let sent = state.withLock { $0.scheme != nil ? Self.basic($0.credentials) : nil }
                let current = try await source.credentials(for: endpoint.name)
                guard let basic = Self.basic(current), basic != sent else { continue }
                state.withLock { state in
                    state.scheme = .basic
                    state.credentials = current
                }
                return true
            case "bearer":
                guard let realm = challenge.parameters["realm"].flatMap({ WebAddress($0) }) else { continue }
                _ = try trust.rule(for: realm)
                state.withLock { state in
                    state.scheme = .bearer(realm: realm, service: challenge.parameters["service"])
                    state.tokens[scopes] = nil
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
        let known = state.withLock { $0.credentials }
        let credentials: RegistryEndpoint.Credentials
        if let known { credentials = known } else { credentials = try await source.credentials(for: endpoint.name) }
        let request = TokenRequest(endpoint: endpoint, client: client, realm: realm, service: service, scopes: scopes)
        do throws(OCIError) {
            let answer = try await request.send(as: credentials)
            state.withLock { $0.credentials = credentials }
            return answer
        } catch {
            guard error.code == .unauthorized, known != nil else { throw error }
            let current = try await source.credentials(for: endpoint.name)
            guard current != known else { throw error }
            let answer = try await request.send(as: current)
            state.withLock { $0.credentials = current }
            return answer
        }
    }
}
