// What every codec throws when bytes or text are not what its format says. Whose fault that is, only the caller knows.

/** The message is for the user: lower case, what was read first (`read tar: unexpected EOF`). */
export class FormatError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'FormatError';
  }
}
