internal import Contract
import FoundationEssentials
internal import Transfer

/// A token of a registry's token service.
struct Token: Sendable {
    /// What goes behind `Bearer`.
    var value: String
    /// When to ask for another.
    var expires: ContinuousClock.Instant
}

/// One question to a token service (distribution's "Token Authentication Specification" and "OAuth2 Token Authentication"). Its
/// redirects are not followed.
struct TokenRequest {
    let endpoint: RegistryEndpoint
    let client: HTTPClient
    let realm: WebAddress
    let service: String?
    let scopes: [String]
    let account: RegistryAccount

    /// A token for `credentials`.
    func send(as credentials: RegistryEndpoint.Credentials) async throws(OCIError) -> Token {
        if case .identityToken(let refresh) = credentials {
            let answer = try await perform(exchange(refresh))
            // Services that don't know OAuth take the refresh token as a password (docker's own fallback).
            guard answer.status == 404 || answer.status == 405 else { return try token(answer) }
            return try await token(perform(question(.basic(user: "<token>", password: refresh))))
        }
        return try await token(perform(question(credentials)))
    }

    private func question(_ credentials: RegistryEndpoint.Credentials) -> ClientRequest {
        var address = realm
        for (name, value) in [("service", service)] + scopes.map({ ("scope", $0) }) {
            guard let value, let longer = address.adding(name, value) else { continue }
            address = longer
        }
        var request = ClientRequest(.get, address.text, timeouts: Timeouts(total: .seconds(30)))
        if case .basic(let user, let password) = credentials {
            request.headers["Authorization"] = "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
        }
        return request
    }

    private func exchange(_ refresh: String) -> ClientRequest {
        let fields = [
            ("grant_type", "refresh_token"), ("client_id", "kiln"), ("service", service ?? endpoint.name),
            ("scope", scopes.joined(separator: " ")), ("refresh_token", refresh),
        ]
        let form = fields.map { "\($0)=\(PercentEncoding.encode($1))" }.joined(separator: "&")
        return ClientRequest(
            .post, realm.text, headers: ["Content-Type": "application/x-www-form-urlencoded"], body: .text(form),
            timeouts: Timeouts(total: .seconds(30)))
    }

    private func perform(_ request: ClientRequest) async throws(OCIError) -> CollectedResponse {
        var request = request
        request.addressRule = try RegistryTrust(endpoint).rule(for: realm)
        do throws(TransferError) {
            return try await client.collect(request, limit: 1 << 20, retrying: RetryPolicy(deadline: .seconds(10)))
        } catch {
            throw OCIError(
                error, "The token service of \(endpoint.name) could not be asked", asking: realm, isRegistry: false)
        }
    }

    private func token(_ response: CollectedResponse) throws(OCIError) -> Token {
        guard response.status == 200 else {
            let code: OCIError.Code = [400, 401, 403].contains(response.status) ? .unauthorized : .registry
            throw OCIError(
                code,
                "The token service of \(endpoint.name) answered \(response.status) to a request for \(scopes.joined(separator: " "))."
                    + (code == .unauthorized ? " " + account.refused : ""),
                status: response.status)
        }
        let answer = try CanonicalJSON.decode(Answer.self, from: response.body, what: "The token service's answer")
        guard let value = answer.token ?? answer.access_token else {
            throw OCIError(.malformed, "The token service of \(endpoint.name) answered without a token.")
        }
        // The specification's 60 s if nothing is said, and never up to the last moment.
        let lifetime = max(60, answer.expires_in ?? 60) * 9 / 10
        return Token(value: value, expires: .now + .seconds(lifetime))
    }

    /// The names are the specification's.
    private struct Answer: Decodable {
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var token, access_token: String?
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var expires_in: Int?
    }
}
