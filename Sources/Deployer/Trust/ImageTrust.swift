import Contract

/// Decides which images may run.
package protocol ImageTrust: Sendable {
    /// Returns when `image` may; throws why not, ``RolloutFailure/Code/image`` when that cannot be found out now.
    func check(_ image: PinnedImage) async throws(RolloutFailure)
}
