import FoundationEssentials
import Testing
import Transfer

@testable import Kubernetes

/// What recorded answers mean.
@Suite struct APIErrorTests {
    @Test(arguments: [
        ("01-discovery-and-auth", 9, APIError.Code.notServed), ("01-discovery-and-auth", 10, .notServed),
        ("01-discovery-and-auth", 13, .forbidden), ("01-discovery-and-auth", 14, .unauthorized),
        ("01-discovery-and-auth", 27, .refused), ("01-discovery-and-auth", 28, .refused),
        ("01-discovery-and-auth", 29, .refused), ("01-discovery-and-auth", 32, .invalid),
        ("01-discovery-and-auth", 33, .notFound), ("01-discovery-and-auth", 34, .refused),
        ("02-crd-functions", 0, .notServed), ("02-crd-functions", 15, .invalid), ("02-crd-functions", 19, .refused),
        ("02-crd-functions", 22, .refused), ("02-crd-functions", 32, .notFound), ("02-crd-functions", 47, .notFound),
        ("03-apply-workloads", 8, .foreignOwner), ("03-apply-workloads", 15, .invalid),
        ("03-apply-workloads", 17, .refused), ("03-apply-workloads", 18, .invalid),
        ("03-apply-workloads", 19, .conflict),
        ("03-apply-workloads", 20, .refused), ("04b-watch-ends", 4, .failed), ("04b-watch-ends", 5, .expired),
        ("04b-watch-ends", 7, .refused), ("05b-quota", 7, .forbidden), ("05b-quota", 9, .forbidden),
        ("07-scale-rollback-delete", 5, .conflict), ("07-scale-rollback-delete", 18, .notFound),
        ("07-scale-rollback-delete", 21, .alreadyExists), ("07-scale-rollback-delete", 26, .conflict),
        ("07-scale-rollback-delete", 66, .forbidden), ("09-leases", 3, .alreadyExists), ("09-leases", 6, .conflict),
        ("10-lists-and-transport", 7, .expired), ("10-lists-and-transport", 14, .invalid),
    ])
    func `a recorded failure is`(recording: String, exchange: Int, code: APIError.Code) throws {
        let answer = try #require(try Recording(recording).failure(exchange))
        let error = APIError("Cannot try", httpStatus: answer.status, status: answer.body, text: answer.text)
        #expect(error.code == code)
        #expect(error.message.hasPrefix("Cannot try: "))
        #expect(error.message.hasSuffix("."), "\(error.message)")
    }

    @Test func `an apply conflict names each field and its owner`() throws {
        let answer = try #require(try Recording("03-apply-workloads").failure(13))
        let error = APIError("Cannot apply", httpStatus: answer.status, status: answer.body, text: answer.text)
        let field = ".spec.template.spec.terminationGracePeriodSeconds"
        #expect(error.owners == [APIError.Owner(manager: "kubectl-edit", field: field)])
    }

    @Test(arguments: [
        ([#"299 - "unknown field \"spec.nosuch\"""#], [#"unknown field "spec.nosuch""#]),
        (["299 - \"a\"", "199 - \"b\"", "299 - broken", "299 - \""], ["a"]), ([], []),
    ])
    func `warnings are taken from their lines`(lines: [String], texts: [String]) {
        var headers: HeaderFields = [:]
        for line in lines { headers.append("Warning", line) }
        #expect(APIClient.warnings(headers) == texts)
    }

    @Test func `the rate limit lets a burst through and then one call after the other`() {
        var limit = RateLimit(perSecond: 10, burst: 3)
        let waits = (0..<5).map { _ in limit.take(at: .zero) }
        #expect(waits == [.zero, .zero, .zero, .milliseconds(100), .milliseconds(200)])
        #expect(limit.take(at: .milliseconds(200)) == .milliseconds(100))
        #expect(limit.take(at: .seconds(60)) == .zero, "after a rest")
        #expect((0..<3).map { _ in limit.take(at: .seconds(60)) } == [.zero, .zero, .milliseconds(100)])
        #expect(limit.take(at: .seconds(59)) == .milliseconds(200), "a clock that goes back changes nothing")
    }
}
