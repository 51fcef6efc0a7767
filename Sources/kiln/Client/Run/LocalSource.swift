import Builder
import Client
import Contract
import OCI

/// What `kiln run` serves: a file or a directory, by the rules of `kiln deploy`.
struct LocalSource: Sendable {
    /// Where it is.
    let origin: SourceUpload.Origin
    /// The module that handles requests, when that is not one of the usual names.
    let entry: String?

    /// The source as it is now.
    struct Content: Sendable {
        /// What would go into an image.
        let plan: BuildPlan
        /// How to show diagnostics.
        let excerpts: SourceExcerpts
        /// What was left out.
        let warnings: [String]
    }

    /// Reads it; throws what a deploy of it would be refused for.
    func read() async throws(ClientError) -> Content {
        let upload = try SourceUpload(origin, entry: entry)
        let source: FunctionSource
        do {
            source = try await SourceArchive(ArchiveLimits()).source(
                .bytes(upload.body), mediaType: upload.mediaType, entry: upload.entry)
        } catch let problem as Problem {
            throw ClientError(problem, consequence: "")
        } catch {
            throw ClientError(.failed, "\(origin) cannot be read: \(error)")
        }
        let warnings =
            upload.skipped.isEmpty
            ? [] : ["Left out, being neither files nor directories: \(upload.skipped.joined(separator: ", "))."]
        // The base image is of no matter to what is in the layer above it.
        do {
            let plan = try BuildPlan(
                base: Digest(bytes: repeatElement(0, count: 32)), source,
                language: SourceLanguage(mediaType: upload.mediaType))
            return Content(plan: plan, excerpts: upload.excerpts, warnings: warnings)
        } catch {
            throw ClientError(.failed, "\(origin) cannot be read: \(error)")
        }
    }
}
