import Contract
import NIOCore

extension Reason {
    /// What is told the client of `request`: whom it concerns, and where more is to be had. `nil`: there is nothing to add.
    func detail(of request: Request) -> String? {
        guard case .function(let name, _) = request.key else {
            return self == .upstreamClosed
                ? "The part of the platform that this call is for ended before it answered; it is being started again."
                : nil
        }
        return switch self {
        case .upstreamClosed:
            // How it ended, the Deployer knows some milliseconds later than this is noticed.
            "The instance ended the connection before it answered. GET /func/\(name) says in lastFailure how an instance ended last; "
                + "'kiln logs \(name) --previous' shows what it printed."
        case .responseTimeout:
            request.assignment.map {
                "'\(name)' did not answer within \(Duration($0.timeout).inSeconds), its timeout (timeout= of its deploy)."
            }
        default: nil
        }
    }
}
