import Contract
import Foundation
import OCI
import Support
import Testing
import Transfer

@Suite(.serialized) struct CredentialTests {
    @Test(arguments: [
        (#"{}"#, RegistryEndpoint.Credentials.anonymous),
        (#"{"auths":{"r.test:5000":{"auth":"dTpwOnA="}}}"#, .basic(user: "u", password: "p:p")),
        (#"{"auths":{"r.test:5000":{"username":"u","password":"p"}}}"#, .basic(user: "u", password: "p")),
        (#"{"auths":{"https://r.test:5000/v1/":{"auth":"dTpw"}}}"#, .basic(user: "u", password: "p")),
        (#"{"auths":{"r.test":{"auth":"dTpw"}}}"#, .anonymous),
        (#"{"auths":{"r.test:5000":{"auth":"dTpw","identitytoken":"t"}}}"#, .identityToken("t")),
        (#"{"auths":{"r.test:5000":{}},"credHelpers":{"other":"absent"}}"#, .anonymous),
        (#"{"auths":{"r.test:5000":{}},"credsStore":"kiln-test"}"#, .basic(user: "helped", password: "r.test:5000")),
        (#"{"auths":{"r.test:5000":{"auth":"dTpw"}},"credsStore":"absent"}"#, .basic(user: "u", password: "p")),
        (#"{"credHelpers":{"r.test:5000":"kiln-test"}}"#, .basic(user: "helped", password: "r.test:5000")),
        (#"{"credHelpers":{"r.test:5000":"kiln-token"}}"#, .identityToken("refresh")),
        (#"{"credHelpers":{"r.test:5000":"kiln-none"}}"#, .anonymous),
    ])
    func `credentials are where docker and podman log in to`(
        text: String, expected: RegistryEndpoint.Credentials
    ) async throws {
        try await withHelpers { directory in
            let path = directory + "/config.json"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try await CredentialFile(path: path).credentials(for: "r.test:5000") == expected)
        }
    }

    @Test(arguments: [
        ("nonsense", OCIError.Code.malformed), (#"{"auths":{"r.test":{"auth":"?"}}}"#, .malformed),
        (#"{"credHelpers":{"r.test":"kiln-broken"}}"#, .unauthorized),
        (#"{"credHelpers":{"r.test":"absent"}}"#, .unauthorized), (#"{"credsStore":"../../bin/sh"}"#, .unsupported),
    ])
    func `a file or helper that is of no use says so`(text: String, code: OCIError.Code) async throws {
        try await withHelpers { directory in
            let path = directory + "/config.json"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            let error = await #expect(throws: OCIError.self) {
                try await CredentialFile(path: path).credentials(for: "r.test")
            }
            #expect(error?.code == code)
        }
    }

    @Test func `Docker Hub has the name in files that docker gives it`() async throws {
        try await withHelpers { directory in
            let path = directory + "/config.json"
            for (text, expected) in [
                (#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}}"#, "p"),
                (#"{"credsStore":"kiln-test"}"#, "https://index.docker.io/v1/"),
            ] {
                try text.write(toFile: path, atomically: true, encoding: .utf8)
                guard case .basic(_, let password) = try await CredentialFile(path: path).credentials(for: "docker.io")
                else {
                    Issue.record("no credentials in \(text)")
                    continue
                }
                #expect(password == expected)
            }
        }
    }

    @Test func `a helper that does not read its input harms nobody`() async throws {
        try await withHelpers { directory in
            let path = directory + "/config.json"
            try #"{"credsStore":"kiln-deaf"}"#.write(toFile: path, atomically: true, encoding: .utf8)
            for _ in 0..<50 {
                let found = try await CredentialFile(path: path).credentials(for: "r.test")
                #expect(found == .basic(user: "u", password: "p"))
            }
        }
    }

    @Test func `a login takes effect without a restart`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/config.json"
            try await withAwkwardRegistry { awkward in
                let registry = awkward.registry(source: CredentialFile(path: path))
                let descriptor = Descriptor(describing: [1], as: .layerTar)
                for wrong in [nil, "x:y"] {
                    try Self.logIn(wrong, path)
                    let error = await #expect(throws: OCIError.self) {
                        try await registry.push(.bytes([1]), descriptor, to: "basic/x")
                    }
                    #expect(error?.code == .unauthorized)
                }
                try Self.logIn("u:p", path)
                try await registry.push(.bytes([1]), descriptor, to: "basic/x")
            }
        }
    }

    @Test func `an identity token is exchanged, or used as a password where that is unknown`() async throws {
        try await withAwkwardRegistry { awkward in
            let descriptor = Descriptor(describing: [1], as: .layerTar)
            try await awkward.registry(.identityToken("r&f=1")).push(.bytes([1]), descriptor, to: "oauth/x")
            #expect(try await awkward.note("grant") == "refresh_token|s t|repository:oauth/x:pull,push")
            let error = await #expect(throws: OCIError.self) {
                try await awkward.registry(.identityToken("other")).push(.bytes([1]), descriptor, to: "oauth/y")
            }
            #expect(error?.code == .unauthorized)
            try await awkward.registry(.identityToken("r")).push(.bytes([1]), descriptor, to: "no-oauth/x")
            let sent = Data("<token>:r".utf8).base64EncodedString()
            #expect(try await awkward.note("token-authorization") == "Basic " + sent)
        }
    }

    private static func logIn(_ user: String?, _ path: String) throws {
        let auth = user.map { #""auth":"\#(Data($0.utf8).base64EncodedString())""# } ?? ""
        try #"{"auths":{"awkward":{\#(auth)}}}"#.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// A directory of credential helpers on the search path.
    private func withHelpers(_ body: @Sendable (String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let helpers = [
                "kiln-test": #"printf '{"ServerURL":"x","Username":"helped","Secret":"%s"}' "$(cat)""#,
                "kiln-token": #"printf '{"Username":"<token>","Secret":"refresh"}'"#,
                "kiln-deaf": #"exec <&-; printf '{"Username":"u","Secret":"p"}'"#,
                "kiln-none": "echo credentials not found in native keychain; exit 1",
                "kiln-broken": "echo no keyring here; exit 1",
            ]
            for (name, script) in helpers {
                let path = "\(directory)/docker-credential-\(name)"
                try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
            }
            let before = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
            setenv("PATH", "\(directory):\(before)", 1)
            defer { setenv("PATH", before, 1) }
            try await body(directory)
        }
    }
}
