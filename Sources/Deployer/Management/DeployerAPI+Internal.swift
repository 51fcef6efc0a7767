import Contract
import Service

extension DeployerAPI {
    /// The calls of Builder and Router; the Router never passes a client's request to them.
    func internalCall(_ request: ServiceRequest) async throws -> ServiceResponse {
        let path = request.path
        switch (request.method, path.count, path.count > 1 ? path[1] : "") {
        case ("POST", 4, "functions") where path[3] == "tickets":
            return try await .json(reconciler.ticket(for: Self.name(path[2])))
        case ("GET", 4, "functions") where path[3] == "live": return try await live(Self.name(path[2]))
        case ("POST", 2, "import"):
            let function = try JSON.decode(
                FunctionSnapshot.self, from: try await request.body.collect(upTo: FunctionSnapshot.limit))
            try await reconciler.adopt(function)
            return ServiceResponse(status: 204)
        case ("DELETE", 5, "functions") where path[3] == "tickets":
            guard let ticket = Int(path[4]) else { throw Self.notFound(request) }
            try await reconciler.giveUp(ticket, of: Self.name(path[2]))
            return ServiceResponse(status: 204)
        case ("POST", 4, "functions") where path[3] == "revisions":
            let deploy = try JSON.decode(DeployRequest.self, from: try await request.body.collect(upTo: Self.bodyLimit))
            let name = try Self.name(path[2])
            let answer = try await reconciler.metrics.deploy {
                try await reconciler.deploy(name, deploy, requestID: request.id)
            }
            return try .json(answer, status: answer.unchanged ? 200 : deploy.wait ? 201 : 202)
        case ("GET", 4, "functions") where path[3] == "revision":
            return try await revision(of: Self.name(path[2]), Self.number(request, "revision"))
        case ("GET", 2, "checker"): return try await .json(CheckerPlace(checker: reconciler.checkerPlace()))
        case ("GET", 2, "routes"): return try await routes(request)
        case ("POST", 4, "routers") where path[3] == "status":
            let status = try JSON.decode(
                RouterStatus.self, from: try await request.body.collect(upTo: Self.bodyLimit))
            await reconciler.hub.report(path[2], status)
            return ServiceResponse(status: 204)
        case ("POST", 4, "routers") where path[3] == "load":
            await reconciler.take(
                try JSON.decode(RouterLoad.self, from: try await request.body.collect(upTo: Self.bodyLimit)),
                of: path[2])
            return ServiceResponse(status: 204)
        case ("PUT", 2, "base"):
            try await onBase(JSON.decode(PinnedImage.self, from: try await request.body.collect(upTo: Self.bodyLimit)))
            return ServiceResponse(status: 204)
        default: throw Self.notFound(request)
        }
    }

    /// A revision as the Builder wants to know it.
    private struct RevisionAnswer: Encodable {
        var number: Int
        var image: PinnedImage
    }

    private func revision(of name: FunctionName, _ number: Int?) async throws -> ServiceResponse {
        guard let record = try await reconciler.store.function(name) else { throw Reconciler.unknown(name) }
        guard let wanted = number ?? record.summary.live?.number else {
            throw Reconciler.unknownRevision(RevisionID(function: name, number: 0))
        }
        guard let entry = record.revisions.first(where: { $0.revision.number == wanted }) else {
            throw Reconciler.missing(wanted, in: record)
        }
        return try .json(RevisionAnswer(number: wanted, image: entry.revision.image))
    }

    private func routes(_ request: ServiceRequest) async throws -> ServiceResponse {
        guard let router = try request.queryItem("router"), !router.isEmpty else {
            throw Problem("invalid-option", 400, "Invalid option", "Say who asks: ?router=ID.")
        }
        let messages = await reconciler.hub.subscribe(router)
        return ServiceResponse(
            status: 200, headers: [("Content-Type", "application/x-ndjson")],
            body: .stream { writer in
                for await message in messages { try await writer.write(JSON.encode(message) + [10]) }
            })
    }
}
