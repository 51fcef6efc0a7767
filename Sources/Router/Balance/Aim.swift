/// Which revision of a function a request is for.
enum Aim: Hashable {
    /// What serves; while the traffic is divided, only until one is drawn.
    case any
    /// The one that the path names.
    case number(Int)
    /// The one that was drawn while the traffic is divided. When it has no part in it any more, or no instance, another one does: a request
    /// that waits survives a change of the shares, and those that wait for one revision do not stand in the way of others.
    case drawn(Int)
}
