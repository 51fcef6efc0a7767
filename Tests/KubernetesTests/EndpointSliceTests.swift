import Contract
import Testing

@testable import Kubernetes

@Suite struct EndpointSliceTests {
    private func slice(
        _ name: String, type: String = "IPv4", port: Int? = 8000, _ addresses: [EndpointSlice.Address]?
    ) -> EndpointSlice {
        var slice = EndpointSlice(metadata: ObjectMeta(name: name, namespace: "functions"))
        slice.addressType = type
        slice.endpoints = addresses
        slice.ports = port.map { [.init(name: "metrics", port: 9), .init(name: "http", port: $0)] }
        return slice
    }

    private func pod(
        _ name: String, _ address: String, ready: Bool? = true, terminating: Bool? = false
    ) -> EndpointSlice.Address {
        .init(
            addresses: [address], conditions: .init(ready: ready, serving: true, terminating: terminating),
            targetRef: .init(kind: "Pod", name: name, uid: "uid-\(name)"))
    }

    private func addresses(_ slices: [EndpointSlice]) -> [Endpoint.Address] {
        RoutedSlice.endpoints(of: slices.map { RoutedSlice($0) }).map(\.address)
    }

    @Test func `ready Pods of all slices are taken, each once, by name`() {
        let slices = [
            slice("b", [pod("p3", "10.0.0.3"), pod("p1", "10.0.0.9")]),
            slice("a", port: 8001, [pod("p1", "10.0.0.1")]),
            slice("c", type: "IPv6", [pod("p2", "fd00::2")]),
        ]
        #expect(
            addresses(slices) == [
                .tcp(host: "10.0.0.1", port: 8001), .tcp(host: "fd00::2", port: 8000),
                .tcp(host: "10.0.0.3", port: 8000),
            ])
    }

    @Test func `nothing new goes to a Pod that is not ready or ends, and what is unknown counts as ready`() {
        let slices = [
            slice(
                "a",
                [
                    pod("starts", "10.0.0.1", ready: false), pod("ends", "10.0.0.2", ready: false, terminating: true),
                    pod("both", "10.0.0.3", terminating: true),
                    pod("unknown", "10.0.0.4", ready: nil, terminating: nil),
                ])
        ]
        #expect(addresses(slices) == [.tcp(host: "10.0.0.4", port: 8000)])
    }

    @Test func `the slice of a new Service, names, other ports and foreign addresses are passed over`() {
        var foreign = pod("x", "10.0.0.1")
        foreign.targetRef = nil
        let slices = [
            slice("a", port: nil, nil), slice("b", type: "FQDN", [pod("p", "host.example")]),
            slice("c", port: nil, [pod("q", "10.0.0.2")]), slice("d", [foreign]),
        ]
        #expect(addresses(slices) == [])
    }
}
