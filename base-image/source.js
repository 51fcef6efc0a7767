// A module's source and the JavaScript made of it, with the way back from a place in one to the place in the other.
import { SourceMap } from "node:module";

const marker = "\n//# sourceMappingURL=data:application/json;base64,";

/** Line and column in `text`, from 1, in characters, of the UTF-16 offset `at`. */
export function positionIn(text, at) {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: [...before.at(-1)].length + 1 };
}

/** Where the file `path` is in the image. */
export function placeOf(path) {
  return `file:///app/source/${path.split("/").map(encodeURIComponent).join("/")}`;
}

export class SourceText {
  /** The JavaScript, without source map. */
  code;
  /** What runs: the JavaScript with an inline source map that leads to the source's place in the image, and holds no copy of it. */
  module;
  #lines;
  #map;

  /** `transpiled` is the JavaScript of `text` with its inline source map; without it `text` is JavaScript that runs as it is. */
  constructor(file, text, transpiled) {
    this.#lines = text.split("\n");
    if (transpiled === undefined) {
      this.code = this.module = text;
      return;
    }
    const split = transpiled.lastIndexOf(marker);
    const { version, names, mappings } = JSON.parse(atob(transpiled.slice(split + marker.length)));
    const map = { version, sources: [placeOf(file)], names, mappings };
    this.code = transpiled.slice(0, split);
    this.module = `${this.code}${marker}${new TextEncoder().encode(JSON.stringify(map)).toBase64()}\n`;
    this.#map = map;
  }

  /** Whether the JavaScript is the source. */
  get isOriginal() {
    return this.#map === undefined;
  }

  /** Line and column in the source, from 1, in characters, of the UTF-16 offset `at` in the JavaScript; nothing for undefined. */
  position(at) {
    if (at === undefined) return {};
    if (this.isOriginal) return positionIn(this.code, at);
    const before = this.code.slice(0, at).split("\n");
    if (!(this.#map instanceof SourceMap)) this.#map = new SourceMap(this.#map);
    const { originalLine, originalColumn } = this.#map.findEntry(before.length - 1, before.at(-1).length);
    if (originalLine === undefined) return {};
    return { line: originalLine + 1, column: [...(this.#lines[originalLine] ?? "").slice(0, originalColumn)].length + 1 };
  }
}
