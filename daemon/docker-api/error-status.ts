// The one place where errors become HTTP: a status and Docker's {"message": …}. An error that no service meant is told as an internal
// error, and only then is it logged, because nobody else will.
import { type ErrorCode, isEngineError } from '../errors/engine-error.ts';
import type { ApiLog } from './services.ts';

export const statusOf: Readonly<Record<ErrorCode, number>> = Object.freeze({
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'not-modified': 304,
  conflict: 409,
  'too-large': 413,
  system: 500,
  'not-implemented': 501,
  unavailable: 503,
});

/** What streams say of a client that left in the middle of its request: nobody's fault, and nobody reads the answer. */
const clientLeft: ReadonlySet<string> = new Set(['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE']);

/** What the host's disk says: a sentence that names operation and file, and no fault of the engine's. */
const ofTheDisk: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

/** Why work is given up that was done for a client that left. */
export function clientHasLeft(): Error {
  return Object.assign(new Error('the client has left'), { code: 'ECONNRESET' });
}

export interface ErrorAnswer {
  status: number;
  message: string;
}

/** `log` gets errors that are the engine's own fault. */
export function errorAnswer(error: unknown, log: ApiLog): ErrorAnswer {
  if (isEngineError(error)) {
    // What a user did wrong is said in Docker's words, whole; what the host did wrong is explained down to its cause.
    const message = error.code === 'system' ? fullMessage(error) : error.message;
    return { status: statusOf[error.code], message };
  }
  if (error instanceof Error && error.name === 'SystemError') return { status: 500, message: fullMessage(error) };
  if (clientLeft.has(String((error as NodeJS.ErrnoException).code))) {
    return { status: 400, message: 'request body was cut off' };
  }
  if (error instanceof Error && ofTheDisk.has(String((error as NodeJS.ErrnoException).code)))
    return { status: 500, message: error.message };
  const status = (error as { statusCode?: unknown }).statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { status, message: (error as Error).message };
  }
  log.error({ err: error }, 'request failed for no known reason');
  return { status: 500, message: `internal error: ${error instanceof Error ? error.message : String(error)}` };
}

/** The message, and what caused it where the message does not say so already. */
function fullMessage(error: Error): string {
  const cause = error.cause;
  if (!(cause instanceof Error) || cause.message === '' || error.message.includes(cause.message)) return error.message;
  return `${error.message}: ${fullMessage(cause)}`;
}

/** For streams whose status has been sent: what the answer's message would have been. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Of several addresses that refused a connection: clients take an empty message for success.
  if (error.message === '') return error instanceof AggregateError ? errorText(error.errors[0]) : error.name;
  return isEngineError(error) && error.code !== 'system' ? error.message : fullMessage(error);
}

/** The JSON text of an error, with the line end that Docker's encoder writes. */
export function errorBody(message: string): string {
  return `${JSON.stringify({ message })}\n`;
}
