import Contract
import Service

extension BuilderAPI {
    /// `POST /func/NAME/verify`: makes a revision's image again and compares.
    func verify(_ request: ServiceRequest, _ name: String) async throws -> ServiceResponse {
        try request.allowQueryItems(["revision"])
        var number: Int?
        if let text = try request.queryItem("revision") {
            guard let value = Int(text), value > 0 else {
                throw Problem("invalid-option", 400, "Invalid option", "Option 'revision' takes a revision's number.")
            }
            number = value
        }
        let function: FunctionName
        do { function = try FunctionName(name) } catch {
            throw Problem("invalid-name", 400, "Invalid name", "\(error)")
        }
        return try await verifying(request) { pipeline in
            try .json(try await pipeline.verify(function, number, requestID: request.id))
        }
    }
}
