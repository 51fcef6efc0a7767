// Judges the source of functions before they are baked, one TypeScript or JavaScript module at a time, or several files:
//   POST /check?file=NAME   syntax, imports and handler; makes JavaScript of it
//     {"ok":true,"form":"request","code":"<JavaScript>","plain":false,"imports":[{"specifier","type","line","column"}]}
//                                 form: request, event, serve or node; plain: it is JavaScript as it stands; imports: those to resolve
//   POST /types?file=NAME   types, of what has passed the former; `lenient=true`: see types.js
//     {"ok":true}, with "note" for what could not be seen, or {"unchecked":"why"}; with `packages=DIGEST` against what was brought
//     as that (see packages.js), 404 when nothing was; `parallel` such checks run at a time, `residents` servers stand by for them
// With `files=true` the body is JSON, {"entry":"main.ts","files":[{"path","text"}],"names":["page.html"]}: the files that may be modules
// or JSON (without "text" when it is no UTF-8), and the names of the others. /check answers
//     {"ok":true,"form","main","modules":[{"path","code"}],"importMap","imports":[{…,"file"}],"warnings":["…"]}, see graph.js
// `POST /code` makes what spares a large function's starts, see own-code.js.
// Both answer {"ok":false,"diagnostics":[{"file","line","column","code","message"}],"more":N} for what they find wrong, 503 when they
// have too much to do, and 504 when the check took longer than `deadline`, a query item in milliseconds; `patience` is how long to
// wait for a type checker.
//
// Source is hostile. It is looked at in other processes that are replaced when they crash, hang or have grown.
import { askParser, isParserBusy, prepareParser, stopParser } from "./parser.js";
import { codeOf } from "./own-code.js";
import { keepPackages } from "./packages.js";
import { resolve, tunnel } from "./resolve.js";
import { checkTypes, checkTypesWithPackages, prepareTypes, stopTypes } from "./types.js";

const maximumSource = 64 << 20;
const mostFiles = 100_000;
const longest = { deadline: 120_000, patience: 120_000 };
const usual = { deadline: 10_000, patience: 10_000 };

async function handle(request) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/healthz") return Response.json({ ok: true });
  if (pathname === "/resolve") return await resolve(request);
  if (pathname === "/tunnel") return tunnel(request, searchParams);
  if (pathname === "/packages") {
    return await keepPackages(request, searchParams.get("digest"), number(searchParams, "bytes"));
  }
  if (pathname === "/code") return await codeOf(request);
  const judge = { "/check": checkSyntax, "/types": checkTypesOf }[pathname];
  if (!judge) {
    return Response.json({ error: "There are POST /check, /types, /code, /packages, /resolve and /tunnel." }, { status: 404 });
  }
  if (request.method !== "POST") return Response.json({ error: "Use POST." }, { status: 405, headers: { allow: "POST" } });
  const severalFiles = searchParams.get("files") === "true";
  const file = searchParams.get("file") ?? "";
  if (!severalFiles && !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(file)) {
    return Response.json({ error: "file must be a plain file name of at most 100 characters." }, { status: 400 });
  }
  const bytes = await body(request);
  if (!bytes) return Response.json({ error: `The source has more than ${maximumSource} bytes.` }, { status: 413 });
  const source = decode(bytes);
  if (source === undefined) {
    return Response.json({ ok: false, diagnostics: [{ file, code: "encoding", message: "The source is not UTF-8 text." }] });
  }
  const module = severalFiles ? filesIn(source) : { file, source };
  if (!module) return Response.json({ error: "The body has to be the files of a function." }, { status: 400 });
  if (isParserBusy()) {
    return Response.json({ error: "Too many checks are waiting." }, { status: 503, headers: { "retry-after": "1" } });
  }
  return await judge(module, {
    deadline: milliseconds(searchParams, "deadline"),
    patience: milliseconds(searchParams, "patience"),
    lenient: searchParams.get("lenient") === "true",
    packages: searchParams.get("packages") ?? undefined,
    parallel: number(searchParams, "parallel"),
    residents: number(searchParams, "residents"),
  });
}

function milliseconds(query, name) {
  const value = Math.floor(Number(query.get(name) ?? usual[name]));
  return value >= 1 && value <= longest[name] ? value : usual[name];
}

/** A number of the query; undefined for none. */
function number(query, name) {
  const text = query.get(name) ?? "";
  return /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}

async function checkSyntax(module, { deadline }) {
  return parsed(await askParser(module, deadline), deadline);
}

async function checkTypesOf(module, { lenient, packages, ...bounds }) {
  const { deadline, patience } = bounds;
  const admission = await askParser({ ...module, types: true }, deadline);
  if (!admission.result?.ok) return parsed(admission, deadline);
  const { external, files, open, workers } = admission.result;
  const question = module.files
    ? { files, open, workers, lenient: false }
    : { files: [{ path: module.file, text: module.source.replace(/^\ufeff/, "") }], open: [module.file], lenient };
  if (packages === undefined) return Response.json(await checkTypes(question, deadline, patience));
  const result = await checkTypesWithPackages(question, packages, external, bounds);
  return Response.json(result, { status: result.missing ? 404 : 200 });
}

/** The question in a body with several files; undefined for any other. */
function filesIn(body) {
  let question;
  try {
    question = JSON.parse(body);
  } catch {
    return undefined;
  }
  const { entry, files, names } = question ?? {};
  if (!Array.isArray(files) || !Array.isArray(names) || files.length + names.length > mostFiles) return undefined;
  const paths = [...files.map((file) => file?.path), ...names];
  const areTexts = files.every(({ text }) => text === undefined || typeof text === "string");
  return areTexts && paths.every(isPath) && paths.includes(entry) ? { entry, files, names } : undefined;
}

/** Whether it is a path below a directory, of parts that are names. */
function isPath(path) {
  return typeof path === "string" && path.length < 4096 &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && !/\p{Cc}|\\/u.test(part));
}

/** The answer for what the parser said. */
function parsed({ result, late, unavailable }, deadline) {
  if (result) return Response.json(result);
  if (late) return Response.json({ error: `The check took longer than ${deadline} ms.` }, { status: 504 });
  return Response.json({ error: unavailable }, { status: 503 });
}

/** The request's body; undefined when it is too large. */
async function body(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > maximumSource) return undefined;
    chunks.push(chunk);
  }
  return await new Blob(chunks).bytes();
}

function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

await prepareParser();
const server = Deno.serve({ onListen() {} }, handle);
prepareTypes();
for (const signal of ["SIGTERM", "SIGINT"]) {
  Deno.addSignalListener(signal, async () => {
    stopTypes();
    await server.shutdown();
    await stopParser();
    Deno.exit(0);
  });
}
