// The closed set of errors that the engine's services throw. They are mapped to HTTP statuses at one place, daemon/docker-api/error-status.ts,
// and match Docker's meaning of each status. System call failures arrive as `SystemError` (native-bindings/errno.ts) in `cause`.

export type ErrorCode =
  | 'invalid' // 400: the request says something that cannot be
  | 'unauthorized' // 401
  | 'forbidden' // 403
  | 'not-found' // 404
  | 'not-modified' // 304: already in the wanted state
  | 'conflict' // 409: the object's state forbids it
  | 'too-large' // 413
  | 'system' // 500: the kernel, the disk or the engine itself
  | 'not-implemented' // 501: Docker has it, this engine does not yet
  | 'unavailable'; // 503

/** An error with a message for the user: lower case, operation and operand first, what to change where that is known. */
export class EngineError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}

export function isEngineError(error: unknown, code?: ErrorCode): error is EngineError {
  return error instanceof EngineError && (code === undefined || error.code === code);
}
