import Contract
import Testing

@Suite struct RepositoryNamesTests {
    @Test func `a function's images are below the path, and the base image beside them`() throws {
        let names = try #require(RepositoryNames(path: "acme/functions"))
        let hello = try FunctionName("hello")
        #expect(names.repository(of: hello) == "acme/functions/hello")
        #expect(names.base == "acme/functions/base")
        #expect(names.function(of: "acme/functions/hello") == hello)
        #expect(names.function(of: names.base) == nil && names.contains(names.base))
        #expect(RepositoryNames.standard.repository(of: hello) == "kiln/hello")
        #expect(RepositoryNames(path: "kiln") == .standard)
    }

    @Test(
        arguments: [
            "acme/functions", "acme/functions/", "acme/functions/a/b", "acme/functionsx/a", "kiln/a", "", "/",
            "x/acme/functions/a",
        ])
    func `what is elsewhere is somebody else's`(repository: String) throws {
        let names = try #require(RepositoryNames(path: "acme/functions"))
        #expect(!names.contains(repository) && names.function(of: repository) == nil)
    }

    @Test(arguments: ["", "/", "a/", "/a", "a//b", "A", "a b", "-a", "a:b", String(repeating: "a", count: 201)])
    func `a path that is none is refused`(path: String) {
        #expect(RepositoryNames(path: path) == nil)
    }
}
