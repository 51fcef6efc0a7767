/// What a connection's bytes are taken for: the same however they are cut.
struct MessageReading<Message: Equatable>: Equatable {
    var messages: [Message] = []
    var isRefused = false
    /// The most bytes that waited after a piece had been read. That depends on how they are cut.
    var waiting = 0

    static func == (left: Self, right: Self) -> Bool {
        left.messages == right.messages && left.isRefused == right.isRefused
    }
}
