import Foundation
import Testing
import Transfer

/// The examples, deployed and called as their own headers say.
@Suite(.serialized) struct ExampleTests {
    @Test func `every example works as it stands`() async throws {
        try await withPlatform { platform in
            for name in ["useragent", "cards", "load", "stream", "websocket"] {
                #expect(try await platform.deploy(name, Platform.example(name)).status == 201, "\(name)")
            }
            #expect(try await platform.deploy("state", Platform.example("state"), "&env=GREETING=hello").status == 201)

            let agent = try await platform.call(.get, "/fn/useragent", headers: ["User-Agent": "kiln-test/1"])
            #expect(agent.status == 200 && agent.text.contains("kiln-test/1"))

            let card = try await platform.get("/fn/cards/draw")
            #expect(card.status == 200 && !card.json.isEmpty)
            let noCard = try await platform.get("/fn/cards/other")
            #expect(noCard.status == 404 && !noCard.json.isEmpty)

            #expect(try await platform.get("/fn/load").status == 200)

            let one = try await platform.get("/fn/state").text
            let two = try await platform.get("/fn/state").text
            #expect(one.contains("hello") && two.contains("hello") && one != two)
        }
    }
}
