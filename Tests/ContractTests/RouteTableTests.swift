import Contract
import FoundationEssentials
import Testing

@Suite struct RouteTableTests {
    private let route = Route(
        targets: [
            RouteTarget(
                revision: 2, weight: 1, timeoutMilliseconds: 60_000, concurrency: 10,
                endpoints: [
                    Endpoint(id: "a", address: .unix(path: "/run/a")),
                    Endpoint(id: "b", address: .tcp(host: "::1", port: 8000)),
                ])
        ])

    @Test func `an update leads from one table to the next`() throws {
        let (one, two) = (try FunctionName("one"), try FunctionName("two"))
        var table = RouteTable(version: TableVersion(epoch: "e", number: 1), routes: [one: route])
        table.apply(RouteUpdate(version: TableVersion(epoch: "e", number: 2), changed: [two: route], removed: [one]))
        #expect(table == RouteTable(version: TableVersion(epoch: "e", number: 2), routes: [two: route]))
    }

    @Test func `messages survive JSON, names as keys`() throws {
        let message = RouteMessage.snapshot(
            version: TableVersion(epoch: "e", number: 1), routes: [try FunctionName("one"): route])
        let bytes = try JSONEncoder().encode(message)
        #expect(String(decoding: bytes, as: UTF8.self).contains("\"one\":{"))
        #expect(try JSONDecoder().decode(RouteMessage.self, from: bytes) == message)
    }
}
