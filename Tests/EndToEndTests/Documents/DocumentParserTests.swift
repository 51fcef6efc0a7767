import Testing

@Suite struct DocumentParserTests {
    @Test func `files and commands come in their order, the rest is for people`() {
        let document = Document(
            """
            # Title
            ```ts file=a.ts
            export default 1;
            ```
            ```sh
            rm -rf /
            ```
              ```console
              $ curl \\
                --head x
              one
                two
              $ true
              ```
            """)
        #expect(
            document.blocks == [
                .file(path: "a.ts", text: "export default 1;\n"),
                .command(line: 9, text: "curl \\\n  --head x", output: ["one", "  two"]),
                .command(line: 13, text: "true", output: []),
            ])
    }

    @Test(arguments: [
        (["same"], "same\n", true), (["same"], "other\n", false), (["same"], "same\nmore\n", false),
        (["a…c"], "abc", true), (["a…c"], "abd", false), (["…"], "any\nthing", true), (["…"], "", true),
        (["a", "…", "z"], "a\nb\nz", true), (["a", "…", "z"], "a\nz", true), (["a", "…", "z"], "a\nb", false),
        (["{…\"x\":1…}"], "{\"x\":1}", true), (["{…\"x\":1…}"], "{\"x\":2}", false), (["aa…aa"], "aaa", false),
        ([], "", true), ([], "x", false),
    ])
    func `an ellipsis stands for anything, all else is literal`(promised: [String], output: String, fits: Bool) {
        #expect(PromisedOutput(lines: promised).matches(output) == fits)
    }
}
