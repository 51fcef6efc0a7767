// Lock files that a resolution begins with: a function's own deno.lock, or the lock of what it had before. Deno keeps what they say
// and chooses for what is new; here is what Deno leaves to others: what in the result is not from the lock, and what is not needed.

const sections = ["specifiers", "npm", "jsr", "remote", "redirects"];

/**
 * The lock `text` as Deno is to begin with it: without what is said there of somebody's workspace, which would prune it, and without
 * addresses of archives in another registry than `npm`, which Deno would not read.
 */
export function seed(text, npm) {
  const { version, ...lock } = JSON.parse(text);
  const origin = new URL(npm).origin;
  for (const entry of Object.values(lock.npm ?? {})) if (URL.parse(entry.tarball)?.origin !== origin) delete entry.tarball;
  return JSON.stringify(Object.fromEntries([["version", version], ...sections.map((name) => [name, lock[name] ?? {}])]));
}

/** What `lock` has that the lock `given` does not cover, as [{ name, section }]: what an import names before what that needs. */
export function uncovered(given, lock) {
  const had = JSON.parse(given);
  const found = [];
  for (const section of sections) {
    for (const name of Object.keys(lock[section] ?? {})) {
      if (had[section]?.[name] === undefined) found.push({ name, section });
    }
  }
  return found;
}

/** What is another thing in `lock` than in the lock `given`, in the same form. */
export function changed(given, lock) {
  const had = JSON.parse(given);
  const found = [];
  for (const section of ["npm", "jsr", "remote"]) {
    const digest = (entry) => entry?.integrity ?? entry;
    for (const [name, entry] of Object.entries(lock[section] ?? {})) {
      const before = had[section]?.[name];
      if (before !== undefined && digest(before) !== digest(entry)) found.push({ name, section });
    }
  }
  return found;
}

/** The problem that an entry is not what the lock says. */
export function contradiction({ name, section }, imports, reason = "is not what the lock says.") {
  const shown = section === "remote" ? name : `${section}:${name}`;
  return { import: Math.max(importOf({ name, section }, imports), 0), kind: "mismatch", message: `${shown} ${reason}` };
}

/** Which of `imports` an entry of a lock is for; -1 when it is for none by its name. */
export function importOf({ name, section }, imports) {
  if (section === "remote" || section === "redirects") return imports.findIndex(({ specifier }) => specifier === name);
  const wanted = packageOf(section === "specifiers" ? name : `${section}:${name}`);
  return imports.findIndex(({ specifier }) => packageOf(specifier) === wanted);
}

/** `npm:@scope/name` of a specifier with version and path. */
function packageOf(specifier) {
  return /^(?:npm|jsr):\/?(?:@[^/]+\/)?[^@/]+/.exec(specifier)?.[0].replace(":/", ":");
}

/**
 * `lock` with what a function needs alone: `modules` are the specifiers of the modules in its graph, `urls` those that were loaded,
 * `jsr` is JSR's URL.
 */
export function needed(lock, modules, urls, jsr) {
  const npm = lock.npm ?? {};
  const specifiers = lock.specifiers ?? {};
  const kept = new Set();
  const packages = new Set();
  const keepNPM = (key) => {
    if (kept.has(key)) return;
    kept.add(key);
    const { dependencies = [], optionalDependencies = [], optionalPeers = [] } = npm[key];
    for (const name of [...dependencies, ...optionalDependencies, ...optionalPeers]) {
      for (const next of keysOf(name, npm)) keepNPM(next);
    }
  };
  const keepJSR = (key) => {
    if (packages.has(key) || !lock.jsr?.[key]) return;
    packages.add(key);
    for (const name of lock.jsr[key].dependencies ?? []) {
      for (const specifier of Object.keys(specifiers)) {
        if (specifier === name || specifier.startsWith(`${name}@`)) keepTarget(targetOf(specifier, specifiers[specifier]));
      }
    }
  };
  const keepTarget = ({ scheme, key }) => {
    if (scheme === "jsr") return keepJSR(key);
    for (const found of keysOf(key, npm)) keepNPM(found);
  };
  for (const module of modules) {
    const [, name, version] = /^npm:\/((?:@[^/]+\/)?[^@/]+)@([^/]+)/.exec(module) ?? [];
    if (name) keepTarget({ scheme: "npm", key: `${name}@${version}` });
  }
  for (const url of urls) {
    const [, name, version] = url.startsWith(jsr) ? /^(@[^/]+\/[^/]+)\/(.+)_meta\.json$/.exec(url.slice(jsr.length)) ?? [] : [];
    if (name) keepJSR(`${name}@${version}`);
  }
  // Where the lock says where a URL leads, it is not asked for.
  const leadsToOne = (url, steps = 0) => urls.has(url) || steps < 20 && leadsToOne(lock.redirects?.[url] ?? "", steps + 1);
  const isKept = ([specifier, version]) => {
    const { scheme, key } = targetOf(specifier, version);
    return scheme === "jsr" ? packages.has(key) : keysOf(key, npm).some((found) => kept.has(found));
  };
  return Object.fromEntries(
    Object.entries({
      version: lock.version,
      specifiers: only(specifiers, isKept),
      jsr: only(lock.jsr, ([key]) => packages.has(key)),
      npm: only(npm, ([key]) => kept.has(key)),
      redirects: only(lock.redirects, ([url]) => leadsToOne(url)),
      remote: only(lock.remote, ([url]) => urls.has(url)),
    }).filter(([name, value]) => name === "version" || Object.keys(value).length > 0),
  );
}

function only(entries = {}, isWanted) {
  return Object.fromEntries(Object.entries(entries).filter(isWanted));
}

/** What `specifier` stands for when it is locked to `version`. */
function targetOf(specifier, version) {
  const [, scheme, name] = /^(npm|jsr):((?:@[^/]+\/)?[^@]+)/.exec(specifier) ?? [];
  return { scheme, key: `${name}@${version}` };
}

/** The entries of `npm` that another one means by `name`: a package's name when there is one of it, else with its version. */
function keysOf(name, npm) {
  const meant = /@npm:(.+)$/.exec(name)?.[1] ?? name;
  if (npm[meant]) return [meant];
  return Object.keys(npm).filter((key) => key.startsWith(`${meant}@`) || key.startsWith(`${meant}_`));
}
