import FoundationEssentials
import Synchronization
internal import Transfer

/// What a registry has let us know about getting in, and the tokens it gave us.
final class Authenticator: Sendable {
    private enum Scheme {
        case basic
        case bearer(realm: WebAddress, service: String?)
    }

    private struct Token {
        var value: String
        var expires: ContinuousClock.Instant
    }

    private struct State {
        /// `nil` until the registry has asked for anything.
        var scheme: Scheme?
        /// By scopes as asked for.
        var tokens: [[String]: Token] = [:]
        /// What the registry wanted on top of the scopes asked for.
        var additions: [[String]: [String]] = [:]
    }

    private let endpoint: RegistryEndpoint
    private let client: HTTPClient
    private let state = Mutex(State())

    init(_ endpoint: RegistryEndpoint, client: HTTPClient) {
        self.endpoint = endpoint
        self.client = client
    }

    /// The value of `Authorization` for a request within `scopes`; `nil` as long as the registry wants none.
    func authorization(for scopes: [String]) async throws(OCIError) -> String? {
        let (scheme, token) = state.withLock { ($0.scheme, $0.tokens[scopes]) }
        switch scheme {
        case nil: return nil
        case .basic: return basic
        case .bearer(let realm, let service):
            if let token, token.expires > .now { return "Bearer " + token.value }
            let additions = state.withLock { $0.additions[scopes] ?? [] }
            let token = try await fetchToken(realm, service, scopes + additions)
            state.withLock { $0.tokens[scopes] = token }
            return "Bearer " + token.value
        }
    }

    /// Takes in the challenges of a 401; `false` if none of them can be met.
    func learn(_ challenges: [Challenge], for scopes: [String], trusting trust: RegistryTrust) throws(OCIError) -> Bool
    {
        for challenge in challenges {
            switch challenge.scheme {
            case "basic":
                guard basic != nil else { continue }
                state.withLock { $0.scheme = .basic }
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

    private var basic: String? {
        guard case .basic(let user, let password) = endpoint.credentials else { return nil }
        return "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }

    /// Asks the token service (distribution's "Token Authentication Specification"). Its redirects are not followed.
    private func fetchToken(
        _ realm: WebAddress, _ service: String?, _ scopes: [String]
    ) async throws(OCIError) -> Token {
        var address = realm
        for (name, value) in [("service", service)] + scopes.map({ ("scope", $0) }) {
            guard let value, let longer = address.adding(name, value) else { continue }
            address = longer
        }
        var request = ClientRequest(.get, address.text, timeouts: Timeouts(total: .seconds(30)))
        request.addressRule = try RegistryTrust(endpoint).rule(for: realm)
        if let basic { request.headers["Authorization"] = basic }
        let response: CollectedResponse
        do throws(TransferError) {
            response = try await client.collect(request, limit: 1 << 20, retrying: RetryPolicy(deadline: .seconds(10)))
        } catch {
            throw OCIError(error, "The token service of \(endpoint.name) does not answer.")
        }
        guard response.status == 200 else {
            throw OCIError(
                response.status == 401 || response.status == 403 ? .unauthorized : .registry,
                "The token service of \(endpoint.name) answered \(response.status) to a request for \(scopes.joined(separator: " ")).",
                status: response.status)
        }
        let answer = try CanonicalJSON.decode(TokenAnswer.self, from: response.body, what: "The token service's answer")
        guard let value = answer.token ?? answer.access_token else {
            throw OCIError(.malformed, "The token service of \(endpoint.name) answered without a token.")
        }
        // The specification's 60 s if nothing is said, and never up to the last moment.
        let lifetime = max(60, answer.expires_in ?? 60) * 9 / 10
        return Token(value: value, expires: .now + .seconds(lifetime))
    }

    /// The names are the specification's.
    private struct TokenAnswer: Decodable {
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var token, access_token: String?
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var expires_in: Int?
    }
}
