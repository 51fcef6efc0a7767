import Contract
import OCI

extension Problem {
    /// The answer to a deploy that failed with `error`; `nil` for an error that no one outside can do anything about.
    init?(deployFailedWith error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let error as BuilderError: self.init(error)
        case let error as OCIError: self.init(error)
        default: return nil
        }
    }

    private init(_ error: BuilderError) {
        switch error.code {
        case .checkerTooSlow:
            self.init("check-too-slow", 504, "The check took too long", error.message)
        case .checkerUnavailable:
            self.init("checker-unavailable", 503, "The checker is not available", error.message, retryAfter: 2)
        case .checkerBusy:
            self.init("checker-busy", 503, "The checker is busy", error.message, retryAfter: 1)
        case .deployer:
            self.init("deployer-unavailable", 503, "The Deployer is not available", error.message, retryAfter: 2)
        case .image:
            self.init("foreign-image", 422, "Not an image of a function", error.message)
        case .checkerAnswer, .dependencies, .recipe:
            self.init("builder", 500, "The Builder failed", error.message)
        }
    }

    private init(_ error: OCIError) {
        switch error.code {
        case .collecting:
            self.init(
                "collecting", 503, "Garbage is being collected",
                "The registry takes no images while garbage is collected; this takes a moment. Deploy again.",
                retryAfter: 2)
        case .diskFull:
            self.init(
                "disk-full", 507, "Disk is full",
                "The Builder has no room for what it builds: \(error.message) Make room there, or raise the volume's size."
            )
        case .cancelled:
            self.init("cancelled", 503, "The build was cancelled", "Kiln is stopping.", retryAfter: 2)
        default:
            self.init("registry", 502, "The registry failed", "The image could not be stored: \(error.message)")
        }
    }
}
