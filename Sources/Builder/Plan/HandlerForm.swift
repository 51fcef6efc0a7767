/// How a function's module handles requests, and so how it is started. The checker decides it from the syntax tree.
package enum HandlerForm: String, Hashable, Sendable, Codable, CaseIterable {
    /// A default export: a function of a Request, or an object with `fetch`.
    case request
    /// A default function of the 2021 form, `handler({ req })`, answering through `req.respondWith`.
    case event
    /// A script that calls `Deno.serve`.
    case serve
    /// A script whose server is one of Node's.
    case node

    /// What follows the flags of `deno run`: the image's `Cmd`. `module` is where the module is, when that is not `/app/main.js`.
    package func command(_ module: String? = nil) -> [String] {
        let script = module ?? "/app/main.js"
        return switch self {
        case .request, .event: ["/kiln/bootstrap.js", rawValue] + [module].compactMap(\.self)
        case .serve: ["--preload=/kiln/bootstrap.js", script]
        case .node: ["--preload=/kiln/bootstrap.js", "--preload=/kiln/node.js", script]
        }
    }
}
