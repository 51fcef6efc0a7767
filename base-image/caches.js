// Deno's caches of compiled and analysed code as they can be read from a read-only file system.
import { DatabaseSync } from "node:sqlite";

/** The databases in Deno's directory. */
export const databases = ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"];

/**
 * Makes the database `to` of the rows of `sources` [{ path, keep }], in one order, so that the same rows make the same bytes; a later
 * source's row goes before an earlier one's. `keep` gives the row of a module as it is kept, or undefined for one that is not.
 *
 * Deno opens such a database without writing only when it is in WAL mode, has statistics, and empty `-wal` and `-shm` files stand
 * beside it (sqlite.org/wal.html, "Read-Only Databases").
 */
export function write(sources, to) {
  const tables = new Map();
  for (const source of sources) read(source, tables);
  const target = new DatabaseSync(to);
  target.exec("PRAGMA page_size = 4096; PRAGMA journal_mode = wal; BEGIN");
  for (const [name, { sql, rows }] of [...tables].sort(([a], [b]) => a < b ? -1 : 1)) {
    target.exec(sql);
    for (const [, row] of [...rows].sort(([a], [b]) => a < b ? -1 : 1)) {
      const columns = Object.keys(row);
      target.prepare(`INSERT INTO ${name} (${columns}) VALUES (${columns.map(() => "?")})`).run(...Object.values(row));
    }
  }
  target.exec("COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)");
  target.close();
  for (const suffix of ["-wal", "-shm"]) Deno.writeFileSync(`${to}${suffix}`, new Uint8Array());
}

/** Deno's directory in an image. */
export const home = "/deno";

/** What a database above the base image's, which it hides, has to have of that: sources for `write`. None outside of a container. */
export async function inBase(name) {
  const path = `${home}/${name}`;
  const isThere = await Deno.stat(path).then(({ isFile }) => isFile, () => false);
  return isThere ? [{ path, keep: (row) => row }] : [];
}

/** The rows of the modules in a database. */
export function modules(path) {
  const found = [];
  read({ path, keep: (row) => void found.push(row) }, new Map());
  return found;
}

/** A function that keeps rows under the specifiers that `rename` gives for theirs, and drops those for which it gives undefined. */
export function renamed(rename) {
  return (row) => {
    const specifier = rename(row.specifier);
    return specifier === undefined ? undefined : { ...row, specifier };
  };
}

/** Adds the rows of a database to `tables`, by name { sql, rows by key }. */
function read({ path, keep }, tables) {
  const source = new DatabaseSync(path, { readOnly: true });
  const found = source.prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  for (const { name, sql } of found.all()) {
    if (!tables.has(name)) tables.set(name, { sql, rows: new Map() });
    const { rows } = tables.get(name);
    const statement = source.prepare(`SELECT * FROM ${name}`);
    statement.setReadBigInts(true);
    for (const found of statement.all()) {
      const row = "specifier" in found ? keep(found) : found;
      if (row) rows.set(`${row.specifier ?? row.key} ${row.type ?? ""}`, row);
    }
  }
  source.close();
}
