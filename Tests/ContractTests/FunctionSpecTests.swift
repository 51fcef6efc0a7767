import Contract
import Testing

@Suite struct FunctionSpecTests {
    @Test func `no options give the defaults`() throws {
        #expect(try FunctionSpec(query: [], limits: SpecLimits()) == FunctionSpec())
    }

    @Test func `every option is read`() throws {
        let spec = try FunctionSpec(
            query: [
                ("min", "3"), ("cpu", "1.5"), ("memory", "512Mi"), ("timeout", "5"), ("concurrency", "7"),
                ("network", "none"), ("env", "A=1"), ("env", "B=x=y"), ("secret", "KEY"),
            ], limits: SpecLimits())
        #expect(spec.instances == 3)
        #expect(spec.cpuMillicores == 1500)
        #expect(spec.memoryBytes == 512 << 20)
        #expect(spec.timeoutSeconds == 5)
        #expect(spec.concurrency == 7)
        #expect(spec.network == .none)
        #expect(spec.environment == ["A": "1", "B": "x=y"])
        #expect(spec.secrets == ["KEY"])
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
        ("secret", "a-b"), ("max", "3"), ("idle", "60"), ("nonsense", "1"),
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
