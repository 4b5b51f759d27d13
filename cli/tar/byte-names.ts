// File names are bytes, not text: those that are no UTF-8 have to come out as they went in. Here each char of a name is one byte (latin1).

/** Of a text, as users type it. */
export function nameOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** As node:fs takes it. */
export function fsPath(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}

/** For messages. */
export function shownName(name: string): string {
  return fsPath(name).toString();
}
