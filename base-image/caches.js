// Deno's caches of compiled and analysed code as they can be read from a read-only file system.
import { DatabaseSync } from "node:sqlite";

/** The databases in Deno's directory. */
export const databases = ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"];

/**
 * Copies the database `from` to `to`, row by row in one order, so that the same rows make the same bytes. `rename` gives the
 * specifier under which a row is kept, or undefined for one that is not.
 *
 * Deno opens such a database without writing only when it is in WAL mode, has statistics, and empty `-wal` and `-shm` files stand
 * beside it (sqlite.org/wal.html, "Read-Only Databases").
 */
export function write(from, to, rename) {
  const source = new DatabaseSync(from);
  const target = new DatabaseSync(to);
  target.exec("PRAGMA page_size = 4096; PRAGMA journal_mode = wal; BEGIN");
  const tables = source.prepare(
    "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
  );
  for (const { name, sql } of tables.all()) {
    target.exec(sql);
    const statement = source.prepare(`SELECT * FROM ${name}`);
    statement.setReadBigInts(true);
    const rows = statement.all().map((row) => row.specifier === undefined ? row : { ...row, specifier: rename(row.specifier) })
      .filter((row) => !("specifier" in row) || row.specifier !== undefined);
    const key = (row) => `${row.specifier ?? row.key} ${row.type ?? ""}`;
    rows.sort((a, b) => key(a) < key(b) ? -1 : 1);
    for (const row of rows) {
      const columns = Object.keys(row);
      target.prepare(`INSERT INTO ${name} (${columns}) VALUES (${columns.map(() => "?")})`).run(...Object.values(row));
    }
  }
  source.close();
  target.exec("COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)");
  target.close();
  for (const suffix of ["-wal", "-shm"]) Deno.writeFileSync(`${to}${suffix}`, new Uint8Array());
}
