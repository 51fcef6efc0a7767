import Contract

/// What the Builder asks of the Deployer. Every call throws a ``Contract/Problem`` that the Deployer answered with, or
/// ``BuilderError`` `deployer` when it does not answer.
package protocol DeployerClient: Sendable {
    /// The next place in the order of deploys of `name`.
    func ticket(for name: FunctionName, requestID: String) async throws -> Ticket

    /// Where the checker answers now; `nil` when none has been started in some seconds.
    func checker(requestID: String) async throws -> Endpoint?

    /// Says that nothing will come of the deploy with `ticket`. What fails is not worth a word: the Deployer forgets by itself.
    func giveUp(_ ticket: Ticket, of name: FunctionName, requestID: String) async

    /// Records a finished build and rolls it out. Takes as long as that does, unless the request says not to wait.
    func deploy(_ request: DeployRequest, of name: FunctionName, requestID: String) async throws -> DeployReply

    /// Revision `number` of `name`, or the live one; throws a 404 or 410 when there is none.
    func revision(of name: FunctionName, _ number: Int?, requestID: String) async throws -> DeployedRevision

    /// The live revision of `name`.
    func live(_ name: FunctionName, requestID: String) async throws -> Revision

    /// Says which base image to run the checker from.
    func setBase(_ image: PinnedImage) async throws
}

/// A revision as the Deployer has it on record.
package struct DeployedRevision: Sendable, Hashable, Codable {
    /// Its number.
    package var number: Int
    /// Its image.
    package var image: PinnedImage

    /// Revision `number` of `image`.
    package init(number: Int, image: PinnedImage) {
        self.number = number
        self.image = image
    }
}

/// The Deployer's answer to a deploy that went well.
package struct DeployReply: Sendable, Hashable {
    /// 200 unchanged, 201 new revision, 202 recorded and not waited for.
    package let status: Int
    /// The answer.
    package let answer: DeployAnswer

    /// The answer `answer` with `status`.
    package init(status: Int, answer: DeployAnswer) {
        self.status = status
        self.answer = answer
    }
}
