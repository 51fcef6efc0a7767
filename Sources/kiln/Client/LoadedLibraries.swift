import CLinux
import Glibc

/// The shared libraries that this process runs with.
enum LoadedLibraries {
    /// Their paths, under the names by which the executable and they ask for each other.
    static var paths: [String] {
        var names: [String] = []
        var next = linux_loaded_objects()
        while let object = next {
            if let name = object.pointee.l_name { names.append(String(cString: name)) }
            next = UnsafePointer(object.pointee.l_next)
        }
        // The executable has no name, and what the kernel brings no path.
        return names.filter { $0.hasPrefix("/") }
    }
}
