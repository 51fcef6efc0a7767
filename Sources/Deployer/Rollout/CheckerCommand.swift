/// How the checker is started from the base image.
enum CheckerCommand {
    /// Arguments in place of the image's `Cmd`.
    static let arguments = ["checker"]
}
