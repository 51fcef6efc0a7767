package import Contract
internal import Logging
internal import Transfer

extension Registry {
    /// Starts to open `count` upload sessions in `repository` at once and runs `body` meanwhile. Opening needs no
    /// digest, so it can go on while the blobs are still being made. Sessions that `body` leaves unused are cancelled
    /// at the registry, also when it throws.
    ///
    /// Opening failures show only when a session is used; then another is opened.
    package func withUploadSessions<Result: Sendable>(
        _ repository: String, count: Int = 2, isolation: isolated (any Actor)? = #isolation,
        _ body: (UploadSessions) async throws -> Result
    ) async throws -> Result {
        let sessions = UploadSessions(repository: repository, count: count)
        return try await withThrowingTaskGroup(of: Void.self, isolation: isolation) { group in
            for _ in 0..<count {
                group.addTask { sessions.arrived(await Self.shielded { try? await self.openUpload(repository) }) }
            }
            let result: Swift.Result<Result, any Error>
            do { result = .success(try await body(sessions)) } catch { result = .failure(error) }
            try await group.waitForAll()
            for session in sessions.takeUnused() {
                group.addTask { await self.cancelUpload(session, repository) }
            }
            try await group.waitForAll()
            return try result.get()
        }
    }

    /// Opens one session and returns its address.
    func openUpload(_ repository: String) async throws(OCIError) -> WebAddress {
        try await openSession(repository).location
    }

    /// Opens one session; also returns the least size of a part that the registry wants (`OCI-Chunk-Min-Length`), in bytes.
    func openSession(_ repository: String) async throws(OCIError) -> (location: WebAddress, leastChunk: Int?) {
        var call = RegistryCall(.post, try address(repository, "blobs/uploads/"), pushing: repository)
        call.timeouts.total = .seconds(10)
        let answer = try await collect(call, retrying: .never)
        guard answer.status == 202, let location = answer.headers["Location"] else {
            throw refusal(answer, "No upload to \(endpoint.name)/\(repository) can be begun", to: .push)
        }
        let least = answer.headers["OCI-Chunk-Min-Length"].flatMap { Int($0) }
        return (try session(location, at: call.address), least.flatMap { (1...Chunking.most).contains($0) ? $0 : nil })
    }

    /// The address in a `Location`, which may be relative.
    private func session(_ location: String, at address: WebAddress) throws(OCIError) -> WebAddress {
        guard let session = address.resolving(location) else {
            throw OCIError(
                .locationRefused, "\(endpoint.name) points uploads at '\(location.prefix(200))', which is no address.")
        }
        return session
    }

    /// Tells the registry that a session will not be used. A registry that does not know the call only keeps the
    /// session for longer.
    func cancelUpload(_ session: WebAddress, _ repository: String) async {
        await Self.shielded { await self.delete(session, repository) }
    }

    /// Runs `body` to its end even if the task is cancelled: a session whose opening or cancelling is cut off would
    /// stay open at the registry, which counts them.
    private static func shielded<Value: Sendable>(_ body: @escaping @Sendable () async -> Value) async -> Value {
        await Task { await body() }.value
    }

    private func delete(_ session: WebAddress, _ repository: String) async {
        do throws(OCIError) {
            var call = RegistryCall(.delete, session, pushing: repository)
            call.timeouts.total = .seconds(10)
            let answer = try await collect(call, retrying: .never)
            logger.trace(
                "Cancelled an upload.", metadata: ["repository": "\(repository)", "status": "\(answer.status)"])
        } catch {
            logger.debug(
                "An upload was not cancelled.", metadata: ["repository": "\(repository)", "error": "\(error)"])
        }
    }

    /// Makes sure that the repository has the blob. `sessions` (of the same repository) saves opening one.
    ///
    /// A blob known to be there is not sent. A failed upload is repeated as the retry policy says, after asking whether
    /// it arrived in spite of the failure.
    package func push(
        _ content: BlobContent, _ descriptor: Descriptor, to repository: String, sessions: UploadSessions? = nil
    ) async throws(OCIError) {
        if known.contains(descriptor.digest, in: repository) { return }
        while true {
            let limit = chunking.limit ?? descriptor.size
            do throws(OCIError) {
                if descriptor.size > limit {
                    try await repeating("push \(descriptor.digest)") { () async throws(OCIError) in
                        try await self.uploadInChunks(content, descriptor, of: limit, to: repository)
                    }
                } else {
                    try await pushWhole(content, descriptor, to: repository, sessions: sessions)
                }
                break
            } catch {
                // Too large for one request: the registry, or a proxy before it, has a limit that nothing announces.
                guard error.status == 413, chunking.refused(min(limit, descriptor.size)) else { throw error }
            }
        }
        known.insert(descriptor.digest, in: repository)
    }

    private func pushWhole(
        _ content: BlobContent, _ descriptor: Descriptor, to repository: String, sessions: UploadSessions?
    ) async throws(OCIError) {
        var ahead = sessions?.repository == repository ? await sessions?.next() : nil
        var mayHaveArrived = false
        try await repeating("push \(descriptor.digest)") { () async throws(OCIError) in
            // A session opened ahead may have expired by now; one opened for the purpose has not.
            for isLast in [ahead == nil, true] {
                if mayHaveArrived, try await self.blobSize(repository, descriptor.digest) != nil { return }
                let session: WebAddress
                if let taken = ahead.take() { session = taken } else { session = try await self.openUpload(repository) }
                mayHaveArrived = true
                if try await self.upload(content, descriptor, to: session, repository) { return }
                if isLast { break }
            }
            throw OCIError(.registry, "\(endpoint.name) forgot an upload that it had just begun.", status: 503)
        }
    }

    /// Sends the blob into `session` in one request; `false` if there is no such session.
    private func upload(
        _ content: BlobContent, _ descriptor: Descriptor, to session: WebAddress, _ repository: String
    ) async throws(OCIError) -> Bool {
        let body: RequestBody =
            switch content {
            case .bytes(let bytes): .bytes(bytes)
            case .file(let path): .file(path)
            case .spooled(let bytes):
                .file(bytes.file.path, at: bytes.range.lowerBound, length: bytes.range.count, keeping: bytes.file)
            }
        do throws(OCIError) { return try await finish(descriptor, body, session, repository) } catch {
            if error.status == nil || error.status == 413 { await cancelUpload(session, repository) }
            throw error
        }
    }

    /// Ends an upload with `body`, which may be all of the blob or nothing more; `false` if there is no such session.
    func finish(
        _ descriptor: Descriptor, _ body: RequestBody, _ session: WebAddress, _ repository: String
    ) async throws(OCIError) -> Bool {
        guard let address = session.adding("digest", descriptor.digest.description) else {
            throw OCIError(.locationRefused, "\(endpoint.name) points uploads at \(session), which cannot be used.")
        }
        var call = RegistryCall(.put, address, pushing: repository)
        call.headers = ["Content-Type": "application/octet-stream"]
        call.body = body
        let answer = try await collect(call)
        switch answer.status {
        case 201, 204:
            if let stored = try Self.contentDigest(answer), stored != descriptor.digest {
                throw OCIError(.mismatch, "\(endpoint.name) stored \(stored) instead of \(descriptor.digest).")
            }
            return true
        case 404: return false
        default:
            throw refusal(
                answer, "The blob \(descriptor.digest) cannot be stored in \(endpoint.name)/\(repository)",
                to: .push)
        }
    }

    /// Makes sure that the repository has a blob that another repository of this registry has, without sending it
    /// (cross-repository mount); `false` if the registry does not do that, or `source` has no such blob.
    package func mount(
        _ digest: Digest, to repository: String, from source: String
    ) async throws(OCIError) -> Bool {
        if known.contains(digest, in: repository) { return true }
        guard ImageReference.isRepository(source),
            let address = try address(repository, "blobs/uploads/").adding("mount", digest.description)?.adding(
                "from", source)
        else { throw OCIError(.unsupported, "'\(source.prefix(300))' is not a repository path.") }
        let answer = try await collect(RegistryCall(.post, address, pushing: repository, mounting: source))
        switch answer.status {
        case 201:
            known.insert(digest, in: repository)
            return true
        case 202:
            // Not mounted: a session was opened instead, which nobody will fill.
            if let location = answer.headers["Location"] {
                await cancelUpload(try session(location, at: address), repository)
            }
            return false
        case 401, 403, 404, 405: return false
        default: throw refusal(answer, "\(digest) cannot be mounted into \(endpoint.name)/\(repository)", to: .push)
        }
    }
}
