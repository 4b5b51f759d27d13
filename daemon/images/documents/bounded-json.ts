// JSON of strangers. Parsing is one step that nothing else of the daemon can run beside, and a few megabytes of brackets take it most of a
// second: what is too deep or has too many parts is refused by a look that takes milliseconds.

const MAX_DEPTH = 64;
/** Commas, colons and opening brackets: an image with all its layers, labels and history has some thousands. */
const MAX_PARTS = 400_000;

/** Throws SyntaxError when it is no UTF-8, no JSON, or more than anybody needs. */
export function parseBoundedJson(bytes: Uint8Array): unknown {
  checkShape(bytes);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new SyntaxError('it is not UTF-8', { cause: error });
  }
  return JSON.parse(text);
}

function checkShape(bytes: Uint8Array): void {
  let depth = 0;
  let parts = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === 0x22) i = endOfString(bytes, i + 1);
    else if (byte === 0x5b || byte === 0x7b) {
      parts++;
      if (++depth > MAX_DEPTH) throw new SyntaxError(`it is nested deeper than ${MAX_DEPTH}`);
    } else if (byte === 0x5d || byte === 0x7d) depth--;
    else if (byte === 0x2c || byte === 0x3a) parts++;
  }
  if (parts > MAX_PARTS) throw new SyntaxError(`it has more than ${MAX_PARTS} parts`);
}

/** Where the closing quote is; a backslash takes the next byte with it. */
function endOfString(bytes: Uint8Array, from: number): number {
  for (let i = from; i < bytes.length; i++) {
    if (bytes[i] === 0x5c) i++;
    else if (bytes[i] === 0x22) return i;
  }
  return bytes.length;
}
