import Contract

extension Reconciler {
    static func unknown(_ name: FunctionName) -> Problem {
        Problem(
            "unknown-function", 404, "Unknown function",
            "There is no function '\(name)'. GET /func lists what there is.")
    }

    static func unknownRevision(_ id: RevisionID) -> Problem {
        Problem(
            "unknown-revision", 404, "Unknown revision",
            "'\(id.function)' has no revision \(id.number). GET /func/\(id.function)/revisions lists them.")
    }

    /// Why `record` has no revision `number`: it was collected, or there never was one.
    static func missing(_ number: Int, in record: FunctionRecord) -> Problem {
        let id = RevisionID(function: record.summary.name, number: number)
        guard number <= record.collected else { return unknownRevision(id) }
        return Problem(
            "revision-collected", 410, "Revision is gone",
            "Revision \(number) of '\(id.function)' was removed by garbage collection. GET /func/\(id.function)/revisions lists what is "
                + "left; deploying its source again makes a new one.")
    }

    static func deletedMeanwhile(_ name: FunctionName) -> Problem {
        Problem(
            "deleted-meanwhile", 409, "Deleted meanwhile",
            "'\(name)' was deleted after this deploy had arrived, so it did not go live. Deploy again to re-create it.")
    }

    static func collectedMeanwhile(_ name: FunctionName) -> Problem {
        Problem(
            "collected-meanwhile", 503, "Image was collected",
            "The build of '\(name)' took so long that its image was collected as garbage before it was recorded. Deploy again.",
            retryAfter: 1)
    }

    /// The answer to a deploy whose image has no signature that counts: nothing is recorded.
    static func refusal(_ failure: RolloutFailure, of name: FunctionName) -> Problem {
        let kept = "Nothing was recorded. What was live before keeps serving."
        let detail = "'\(name)': \(failure.message) \(kept)"
        return switch failure.code {
        case .unsigned: Problem("image-unsigned", 422, "Image is not signed", detail)
        case .signedByAnother: Problem("image-signed-by-another", 422, "Image is signed by another key", detail)
        case .signatureMismatch: Problem("image-signature-mismatch", 422, "Signature is of another image", detail)
        default: Problem("registry-failed", 502, "Registry failed", detail)
        }
    }

    /// The revision to go back to: `number`, or while the traffic is divided the live one, or the last one in the history that is not.
    static func rollbackTarget(_ record: FunctionRecord, _ number: Int?) throws(Problem) -> Revision {
        let name = record.summary.name
        let wanted: Int
        if let number {
            wanted = number
        } else if let live = record.summary.live, record.summary.split != nil {
            wanted = live.number
        } else if let before = record.history.dropFirst().first(where: { $0.revision != record.summary.live?.number }) {
            wanted = before.revision
        } else {
            throw Problem(
                "nothing-to-roll-back", 409, "Nothing to roll back to",
                "'\(name)' has had no other live revision. Name one with to=R; GET /func/\(name)/revisions lists them.")
        }
        guard let entry = record.revisions.first(where: { $0.revision.number == wanted }) else {
            throw missing(wanted, in: record)
        }
        return entry.revision
    }

    /// The answer to a deploy whose instances did not come up.
    static func problem(_ failure: RolloutFailure, _ id: RevisionID) -> Problem {
        let message = failure.message.hasSuffix(".") ? failure.message : failure.message + "."
        let kept = " What was live before keeps serving."
        let logs = failure.logs.isEmpty ? nil : failure.logs
        return switch failure.code {
        case .crashed, .timedOut, .outOfMemory:
            Problem(
                "start-failed", 422, "Function did not start", "\(id): \(message)\(kept)", logs: logs)
        case .secretMissing:
            Problem("secret-missing", 422, "Secret is missing", "\(id): \(message)\(kept)")
        case .secretTooLarge:
            Problem("secret-too-large", 422, "Secret is too large", "\(id): \(message)\(kept)")
        case .noRoom: Problem("no-room", 503, "No room", "\(id): \(message)\(kept)", retryAfter: 10)
        case .image:
            Problem("image-failed", 502, "Image cannot be run", "\(id): \(message)\(kept)", logs: logs)
        case .platform:
            Problem(
                "platform-failed", 503, "Platform failed", "\(id): \(message)\(kept)", logs: logs,
                retryAfter: 5)
        case .unsigned: Problem("image-unsigned", 422, "Image is not signed", "\(id): \(message)\(kept)")
        case .signedByAnother:
            Problem("image-signed-by-another", 422, "Image is signed by another key", "\(id): \(message)\(kept)")
        case .signatureMismatch:
            Problem("image-signature-mismatch", 422, "Signature is of another image", "\(id): \(message)\(kept)")
        case .retired: Problem("retired", 409, "Retired meanwhile", "\(id) was stopped while it started.\(kept)")
        }
    }
}
