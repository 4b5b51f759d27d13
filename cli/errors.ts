// What can end a command, and with which exit status.

/** Printed as it is; `status` becomes the exit status. An empty message prints nothing (a container's own exit status). */
export class CliError extends Error {
  readonly status: number;
  constructor(message: string, status = 1) {
    super(message);
    this.status = status;
  }
}

/** The daemon answered with an error; `message` already says whose word it is. */
export class ApiError extends CliError {
  readonly httpStatus: number;
  /** The daemon's own words. */
  readonly detail: string;
  constructor(httpStatus: number, detail: string) {
    super(`Error response from daemon: ${detail}`);
    this.httpStatus = httpStatus;
    this.detail = detail;
  }
}

/** No daemon could be reached. */
export class ConnectionError extends CliError {}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Docker's way of joining what several operands went wrong with: each on a line of its own. */
export function joinErrors(errors: readonly unknown[]): CliError {
  return new CliError(errors.map(messageOf).join('\n'));
}
