/// The points of an instance's making at which something new exists on the machine.
///
/// A Deployer may die at any of them; a test stops at each and looks whether the next Deployer finds and removes everything.
enum InstanceStep: String, Sendable, CaseIterable {
    /// The record is written.
    case recorded
    /// The sockets' file system is mounted.
    case mounted
    /// The bundle is written.
    case bundled
    /// The container is created under its monitor.
    case created
    /// The function's process runs.
    case started
    /// It accepts requests, and the Router's link is made.
    case opened
}
