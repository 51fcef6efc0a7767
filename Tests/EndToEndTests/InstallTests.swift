import Foundation
import Testing

/// `make install`, and what it installed, used from elsewhere.
@Suite struct InstallTests {
    @Test func `what make install puts below a prefix works without the checkout`() async throws {
        try await withState { state, port, registryPort in
            let destination = state + "/staged"
            // What this build made is what there is to install.
            let files = [Platform.program, Platform.deno, ".tools/setup-run"]
            let made = try run(
                "make",
                [
                    "-C", Platform.root, "install", "KILN=\(files[0])", "DENO=\(files[1])", "DESTDIR=\(destination)",
                    "PREFIX=/opt/kiln",
                ] + files.flatMap { ["-o", $0] })
            #expect(made.code == 0 && made.output.contains("\(destination)/opt/kiln/bin/kiln"), "\(made.output)")
            let share = destination + "/opt/kiln/share"
            for (path, word) in [
                ("bash-completion/completions/kiln", "complete"), ("zsh/site-functions/_kiln", "#compdef kiln"),
                ("fish/vendor_completions.d/kiln.fish", "complete -c"),
            ] { #expect(try String(contentsOfFile: "\(share)/\(path)", encoding: .utf8).contains(word), "\(path)") }

            // From the root directory, without a word of where its Deno is.
            let script = """
                cd / && export PATH="$1/opt/kiln/bin:$PATH"
                kiln up --state-dir "$2" --listen 127.0.0.1:$3 --registry-listen 127.0.0.1:$4 > "$2/up.log" 2>&1 & up=$!
                for i in $(seq 400); do [ -e "$2/run/address" ] && break; sleep 0.1; done
                export KILN_URL=http://127.0.0.1:$3
                for i in $(seq 100); do kiln status > /dev/null 2>&1 && break; sleep 0.2; done
                cd "$2" && kiln init hi && kiln deploy hi.ts && curl -s $KILN_URL/fn/hi
                kill -INT $up; wait $up
                """
            let used = try run("bash", ["-c", script, "bash", destination, state, "\(port)", "\(registryPort)"])
            #expect(used.output.contains("hi: revision 1 is live"), "\(used.output)")
            #expect(used.output.contains("Hello, world!"), "\(used.output)")
        }
    }
}
