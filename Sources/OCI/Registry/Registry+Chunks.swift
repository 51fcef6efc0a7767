internal import Contract
internal import Transfer

extension Registry {
    /// Sends a blob into a session of its own in several requests (distribution-spec, "Pushing a blob in chunks"). What a request that failed
    /// has left is asked for, and the upload goes on from there.
    func uploadInChunks(
        _ content: BlobContent, _ descriptor: Descriptor, of limit: Int, to repository: String
    ) async throws(OCIError) {
        var upload = try await openSession(repository)
        let size = max(limit, upload.leastChunk ?? 0)
        do throws(OCIError) {
            var sent = 0
            while sent < descriptor.size {
                let part = sent..<min(sent + size, descriptor.size)
                (upload.location, sent) = try await send(content, part, upload.location, repository)
                guard sent <= descriptor.size else {
                    throw OCIError(.mismatch, "\(endpoint.name) has more of \(descriptor.digest) than there is.")
                }
            }
            guard try await finish(descriptor, .none, upload.location, repository) else {
                throw OCIError(.registry, "\(endpoint.name) forgot an upload before its last request.", status: 503)
            }
        } catch {
            await cancelUpload(upload.location, repository)
            throw error
        }
    }

    /// Sends one part; returns where the upload goes on and how many bytes the registry has then.
    private func send(
        _ content: BlobContent, _ part: Range<Int>, _ location: WebAddress, _ repository: String
    ) async throws(OCIError) -> (WebAddress, Int) {
        let bytes = try content.part(part)
        do throws(OCIError) {
            return (try await patch(bytes, at: part.lowerBound, location, repository), part.upperBound)
        } catch {
            // Nothing is lost while the registry can say how far it has come.
            guard error.retryOutcome != nil, error.status != 413 else { throw error }
            return try await repeating("upload of a part") { () async throws(OCIError) in
                var (location, sent) = try await self.progress(location, repository)
                if sent == part.lowerBound {
                    location = try await self.patch(bytes, at: sent, location, repository)
                    sent = part.upperBound
                }
                return (location, sent)
            }
        }
    }

    private func patch(
        _ bytes: [UInt8], at offset: Int, _ location: WebAddress, _ repository: String
    ) async throws(OCIError) -> WebAddress {
        var call = RegistryCall(.patch, location, pushing: repository)
        call.headers = [
            "Content-Type": "application/octet-stream", "Content-Range": "\(offset)-\(offset + bytes.count - 1)",
        ]
        call.body = .bytes(bytes)
        let answer = try await collect(call, retrying: .never)
        guard answer.status == 202 else {
            throw refusal(
                answer, "A part of a blob cannot be stored in \(endpoint.name)/\(repository)",
                to: .push)
        }
        return try next(answer, location)
    }

    /// Where the upload goes on, and how many bytes have arrived.
    private func progress(
        _ location: WebAddress, _ repository: String
    ) async throws(OCIError) -> (WebAddress, Int) {
        let answer = try await collect(RegistryCall(.get, location, pushing: repository))
        guard answer.status == 204 else {
            throw refusal(answer, "\(endpoint.name) cannot say how far an upload has come", to: .push)
        }
        let range = answer.headers["Range"] ?? ""
        // "0-0" is the specification's only word for nothing: parts are never of one byte here.
        let last = range.split(separator: "-").last.flatMap { Int($0) } ?? 0
        return (try next(answer, location), last <= 0 ? 0 : last + 1)
    }

    private func next(_ answer: CollectedResponse, _ location: WebAddress) throws(OCIError) -> WebAddress {
        guard let text = answer.headers["Location"] else { return location }
        guard let next = location.resolving(text) else {
            throw OCIError(
                .locationRefused, "\(endpoint.name) points uploads at '\(text.prefix(200))', which is no address.")
        }
        return next
    }
}
