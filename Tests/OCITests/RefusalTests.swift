import Testing
import Transfer

@testable import OCI

/// What an operator is told when a registry says no.
@Suite struct RefusalTests {
    private static let account = RegistryAccount(
        registry: "r.test", path: "/run/secrets/config.json", isAnonymous: false)
    private static let stranger = RegistryAccount(
        registry: "r.test", path: "/run/secrets/config.json", isAnonymous: true)
    private static let nobody = RegistryAccount(registry: "docker.io", path: nil, isAnonymous: true)

    private static func refusal(
        _ status: Int, _ body: String, _ act: RegistryAct, _ account: RegistryAccount = account,
        keeper: RegistryEndpoint.Keeper = .another, isPlain: Bool = false
    ) -> RegistryRefusal {
        RegistryRefusal(
            CollectedResponse(status: status, headers: [:], body: Array(body.utf8)), to: act, account: account,
            keeper: keeper, isPlain: isPlain)
    }

    @Test(
        arguments: [
            (401, "", .read, account, "Those for r.test in /run/secrets/config.json are wrong or expired"),
            (401, "", .push, stranger, "/run/secrets/config.json has no credentials for r.test"),
            (401, "", .push, nobody, "as 'docker login' writes it (--registry-credentials FILE)"),
            (403, "", .delete, account, "may not delete there"),
            (403, "", .push, stranger, "has no credentials for r.test"),
            (
                404, #"{"errors":[{"code":"NAME_UNKNOWN","message":"The repository does not exist"}]}"#, .push, account,
                "create this one there"
            ),
            (405, "", .push, account, "It is read-only"),
            (
                429, #"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#, .read, nobody,
                "with credentials the limit may be higher"
            ),
            (
                500,
                #"{"errors":[{"code":"UNKNOWN","detail":{"DriverName":"filesystem","Enclosed":{"Op":"mkdir","Err":28}}}]}"#,
                .push, account, "Its disk is full"
            ),
            (500, "write /var/lib/x: no space left on device", .push, account, "Its disk is full"),
            (507, "", .push, account, "Its disk is full"),
        ] as [(Int, String, RegistryAct, RegistryAccount, String)])
    func `a refusal says what to do`(
        status: Int, body: String, act: RegistryAct, account: RegistryAccount, words: String
    ) {
        let advice = Self.refusal(status, body, act, account).advice
        #expect(advice?.contains(words) == true, "\(advice ?? "nothing")")
        #expect(advice?.hasSuffix(".") == true)
    }

    @Test func `what has no remedy here gets no advice`() {
        #expect(Self.refusal(404, "", .read).advice == nil)
        #expect(Self.refusal(404, #"{"errors":[{"code":"BLOB_UNKNOWN"}]}"#, .push).advice == nil)
        #expect(Self.refusal(405, "", .delete).advice == nil)
        #expect(Self.refusal(500, "", .push).advice == nil)
        #expect(Self.refusal(400, "", .push).advice == nil)
    }

    @Test func `a registry that speaks TLS is recognised, also by an answer without words`() {
        for body in ["", "Client sent an HTTP request to an HTTPS server.\n"] {
            #expect(Self.refusal(400, body, .read, isPlain: true).advice?.contains("--registry-plain-http") == true)
        }
        #expect(Self.refusal(400, "{}", .read, isPlain: true).advice == nil)
    }

    @Test func `only Kiln's own registry collects garbage while it is read-only`() {
        #expect(Self.refusal(405, "", .push, keeper: .kiln).code == .collecting)
        #expect(Self.refusal(405, "", .push).code == .registry)
    }

    @Test func `words of a registry cannot make lines of a log`() {
        let refusal = Self.refusal(403, #"{"errors":[{"code":"DENIED","message":"a\nb"}]}"#, .push)
        #expect(refusal.reason == "DENIED: ab")
    }
}
