// What checker.js, analyst.js and the Builder say to each other: JSON, each piece after its length in four bytes, big end first.

/** Sends `value`. */
export async function send(connection, value) {
  const frame = encode(value);
  for (let written = 0; written < frame.length;) written += await connection.write(frame.subarray(written));
}

/** The bytes to send for `value`. */
export function encode(value) {
  const body = new TextEncoder().encode(JSON.stringify(value));
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, 4);
  return frame;
}

/** The next value, or undefined when the other side has gone; throws for one of more than `limit` bytes. */
export async function receive(connection, limit) {
  const header = await readExactly(connection, 4);
  if (!header) return undefined;
  const length = new DataView(header.buffer).getUint32(0);
  if (length > limit) throw new Error(`a message of ${length} bytes, ${limit} are allowed`);
  const body = await readExactly(connection, length);
  return body && JSON.parse(new TextDecoder().decode(body));
}

async function readExactly(connection, length) {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const count = await connection.read(bytes.subarray(filled));
    if (count === null) return undefined;
    filled += count;
  }
  return bytes;
}
