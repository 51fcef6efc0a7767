import Testing
import Transfer

@Suite struct WebAddressTests {
    @Test(arguments: [
        ("/v2/a", "http://r.test:5000/v2/a"), ("http://o.test/x?y=1", "http://o.test/x?y=1"),
        ("b?c=d", "http://r.test:5000/v2/n/b?c=d"),
        ("//o.test/x", "http://o.test/x"), ("?n=2", "http://r.test:5000/v2/n/tags?n=2"),
    ])
    func `a location is resolved against the URL it came from`(reference: String, result: String) throws {
        let base = try #require(WebAddress("http://R.test:5000/v2/n/tags"))
        #expect(base.resolving(reference)?.text == result)
    }

    @Test(arguments: [
        "file:///etc/passwd", "ftp://a/", "/relative", "", "http://u:p@a/", "http://a b/", "http://a/\r\nX: y",
        "http://",
    ])
    func `anything else is no address`(text: String) {
        #expect(WebAddress(text) == nil)
    }

    @Test func `a query is added to the one that is there`() throws {
        let address = try #require(WebAddress("http://a.test/u?_state=a%3Db"))
        #expect(address.adding("digest", "sha256:ab")?.text == "http://a.test/u?_state=a%3Db&digest=sha256%3aab")
        #expect(WebAddress("http://a.test/u")?.adding("n", "1")?.text == "http://a.test/u?n=1")
    }

    @Test func `credentials belong to scheme, host and port`() throws {
        let address = try #require(WebAddress("https://a.test/x"))
        #expect(WebAddress("https://A.test:443/y").map(address.hasSameOrigin) == true)
        for other in ["http://a.test/", "https://b.test/", "https://a.test:444/"] {
            #expect(WebAddress(other).map(address.hasSameOrigin) == false)
        }
    }
}
