import Contract
import Foundation
import Testing

@Suite struct FunctionSpecTests {
    @Test func `no options give the defaults`() throws {
        #expect(try FunctionSpec(query: [], limits: SpecLimits()) == FunctionSpec())
    }

    @Test func `every option is read`() throws {
        let spec = try FunctionSpec(
            query: [
                ("min", "3"), ("cpu", "1.5"), ("memory", "512Mi"), ("timeout", "5"), ("concurrency", "7"),
                ("max", "5"), ("idle", "15m"), ("network", "none"), ("env", "A=1"), ("env", "B=x=y"), ("secret", "KEY"),
            ], limits: SpecLimits())
        #expect(spec.minimumInstances == 3 && spec.maximumInstances == 5)
        #expect(spec.idleSeconds == 900)
        #expect(spec.cpuMillicores == 1500)
        #expect(spec.memoryBytes == 512 << 20)
        #expect(spec.timeoutSeconds == 5)
        #expect(spec.concurrency == 7)
        #expect(spec.network == .none)
        #expect(spec.environment == ["A": "1", "B": "x=y"])
        #expect(spec.secrets == ["KEY"])
    }

    @Test(
        arguments: [
            ([("min", "12")], 12, 12, nil), ([("max", "1")], 1, 1, nil), ([("min", "2"), ("max", "2")], 2, 2, nil),
            ([("idle", "never")], 1, 10, 0), ([("idle", "30s")], 1, 10, 30),
        ] as [([(String, String)], Int, Int, Int?)])
    func `what is not said about scaling follows from what is`(
        query: [(String, String)], minimum: Int, maximum: Int, idle: Int?
    ) throws {
        let spec = try FunctionSpec(query: query.map { (name: $0.0, value: $0.1) }, limits: SpecLimits())
        #expect(spec.minimumInstances == minimum && spec.maximumInstances == maximum && spec.idleSeconds == idle)
    }

    @Test func `the operator's limit of instances bounds the default, too`() throws {
        var limits = SpecLimits()
        limits.instances = 4
        #expect(try FunctionSpec(query: [], limits: limits).maximumInstances == 4)
    }

    @Test func `a maximum below the minimum is refused whatever their order`() {
        for query in [[("min", "3"), ("max", "2")], [("max", "2"), ("min", "3")]] {
            let error = #expect(throws: InvalidOption.self) {
                try FunctionSpec(query: query.map { (name: $0.0, value: $0.1) }, limits: SpecLimits())
            }
            #expect(error?.description == "Option 'max' cannot be '2': it is less than min, which is 3.")
        }
    }

    @Test func `a spec is read as it was written`() throws {
        var spec = FunctionSpec()
        spec.minimumInstances = 2
        spec.maximumInstances = 7
        spec.idleSeconds = 60
        spec.environment = ["A": "1"]
        spec.secrets = ["KEY"]
        #expect(try JSONDecoder().decode(FunctionSpec.self, from: JSONEncoder().encode(spec)) == spec)
        spec.idleSeconds = nil
        #expect(try JSONDecoder().decode(FunctionSpec.self, from: JSONEncoder().encode(spec)) == spec)
    }

    /// As the first release recorded it.
    @Test func `a spec from before there was autoscaling keeps its number of instances`() throws {
        let recorded = """
            {"concurrency":100,"cpuMillicores":1000,"environment":{},"instances":3,"memoryBytes":268435456,\
            "network":"internet","secrets":[],"timeoutSeconds":60}
            """
        let spec = try JSONDecoder().decode(FunctionSpec.self, from: Data(recorded.utf8))
        var expected = FunctionSpec()
        expected.minimumInstances = 3
        expected.maximumInstances = 3
        #expect(spec == expected)
    }

    @Test func `the order of options makes no other spec`() throws {
        let one = try FunctionSpec(query: [("secret", "B"), ("env", "X=1"), ("secret", "A")], limits: SpecLimits())
        let two = try FunctionSpec(query: [("env", "X=1"), ("secret", "A"), ("secret", "B")], limits: SpecLimits())
        #expect(one == two)
    }

    @Test(arguments: [
        ("min", "0"), ("min", "17"), ("min", "+1"), ("min", "1.0"), ("min", ""), ("cpu", "0"), ("cpu", "9"),
        ("cpu", "x"), ("cpu", "1.2345"), ("memory", "1Mi"), ("memory", "5Gi"), ("memory", "-1"),
        ("memory", "99999999999999999999Gi"), ("timeout", "0"), ("timeout", "3601"), ("concurrency", "0"),
        ("network", "all"), ("network", "10.0.0.0/8"), ("network", "169.254.169.254"), ("network", "127.0.0.1"),
        ("network", "1.2.3.4/33"), ("network", "01.2.3.4"), ("network", "::/0"), ("network", "0.0.0.0/0"),
        ("env", "NOVALUE"), ("env", "=x"), ("env", "1A=x"), ("env", "A B=x"), ("env", "DENO_DIR=/x"),
        ("env", "LD_PRELOAD=x"), ("env", "npm_config_registry=x"), ("env", "PATH=x"), ("secret", "LD_AUDIT"),
        ("secret", "a-b"), ("max", "0"), ("max", "17"), ("idle", "60"), ("idle", "0s"), ("idle", "31d"),
        ("nonsense", "1"),
    ])
    func `an option out of bounds is refused and named`(name: String, value: String) {
        let error = #expect(throws: InvalidOption.self) {
            try FunctionSpec(query: [(name, value)], limits: SpecLimits())
        }
        #expect(error?.name == name)
    }

    @Test(arguments: [
        [("min", "1"), ("min", "2")], [("env", "A=1"), ("env", "A=2")], [("env", "A=1"), ("secret", "A")],
    ])
    func `what is said twice is refused`(query: [(String, String)]) {
        #expect(throws: InvalidOption.self) {
            try FunctionSpec(query: query.map { (name: $0.0, value: $0.1) }, limits: SpecLimits())
        }
    }

    @Test func `a name that is nearly right is recognised`() {
        let error = #expect(throws: InvalidOption.self) {
            try FunctionSpec(query: [("memroy", "1Gi")], limits: SpecLimits())
        }
        #expect(error?.description.contains("Did you mean 'memory'?") == true)
        #expect(error?.description.contains("dry-run") == true)
    }

    @Test func `an environment beyond its limit is refused`() {
        var limits = SpecLimits()
        limits.environmentBytes = 10
        #expect(throws: InvalidOption.self) {
            try FunctionSpec(query: [("env", "LONG=1234567")], limits: limits)
        }
    }

    @Test func `private ranges may be named where the operator allows it, the metadata address never`() throws {
        var limits = SpecLimits()
        limits.allowsPrivateNetworks = true
        let spec = try FunctionSpec(query: [("network", "10.1.0.0/16,192.168.1.1")], limits: limits)
        #expect(spec.network.description == "10.1.0.0/16,192.168.1.1/32")
        #expect(throws: InvalidOption.self) {
            try FunctionSpec(query: [("network", "169.254.169.254")], limits: limits)
        }
    }
}
