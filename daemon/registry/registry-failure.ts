// What went wrong with a registry, as data: the status, the registry's own error code, and a message without secrets. Sessions turn it
// into the words that Docker's users know.
import { EngineError } from '../errors/engine-error.ts';

export class RegistryFailure extends Error {
  /** Of the answer; 0 when there was none. */
  readonly status: number;
  /** Of distribution-spec's errors, "MANIFEST_UNKNOWN"; empty when there was none. */
  readonly code: string;
  /** The registry's own message. */
  readonly detail: string;
  /** Seconds that the registry asks to wait; undefined when it does not. */
  readonly retryAfterS: number | undefined;
  /** It may be better next time. */
  readonly isTransient: boolean;
  /** There was nobody who speaks TLS. */
  readonly isNoTls: boolean;

  private constructor(
    message: string,
    fields: { status?: number; code?: string; detail?: string; retryAfterS?: number | undefined; isTransient: boolean },
    cause?: Error,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RegistryFailure';
    this.status = fields.status ?? 0;
    this.code = fields.code ?? '';
    this.detail = fields.detail ?? '';
    this.retryAfterS = fields.retryAfterS;
    this.isTransient = fields.isTransient;
    this.isNoTls = isNoTls(cause);
  }

  /** There was no answer, or its end never came. An EngineError among them is final. */
  static ofNetwork(method: string, url: URL, error: Error): Error {
    if (error instanceof EngineError || error instanceof RegistryFailure) return error;
    const { code = '', syscall } = error as NodeJS.ErrnoException;
    const isTransient = !isFinal(code);
    const asked = `${method} ${shownUrl(url)}`;
    if (syscall === 'getaddrinfo') {
      // The resolver's own words say no more than these: there is no cause to be told as well.
      const why = code === 'ENOTFOUND' ? 'no such host' : 'the name servers do not answer';
      return new RegistryFailure(`${asked}: lookup ${url.hostname}: ${why}`, { isTransient });
    }
    return new RegistryFailure(`${asked}: ${reason(error)}`, { isTransient }, error);
  }

  /** The answer is not what it should be: asking again would not help. */
  static ofAnswer(method: string, url: URL, why: string): RegistryFailure {
    return new RegistryFailure(`${method} ${shownUrl(url)}: ${why}`, { isTransient: false });
  }

  /** An answer that says no. `body`: its beginning. */
  static ofStatus(method: string, url: URL, status: number, body: Buffer, retryAfter: string | undefined) {
    const { code, detail } = firstError(body);
    const said = detail === '' ? `${status}` : `${status}: ${detail}`;
    return new RegistryFailure(`${method} ${shownUrl(url)}: unexpected status ${said}`, {
      status,
      code,
      detail,
      retryAfterS: parseRetryAfter(retryAfter),
      isTransient: status === 429 || status === 408 || status >= 500,
    });
  }

  /** As Docker's clients print a registry's error: "manifest unknown: manifest unknown". */
  get words(): string {
    if (this.code === '') return this.message;
    const code = this.code.toLowerCase().replaceAll('_', ' ');
    return `${code}: ${this.detail === '' ? code : this.detail}`;
  }
}

/** Without user, password and query: pre-signed URLs carry secrets there. */
export function shownUrl(url: URL): string {
  return `"${url.protocol}//${url.host}${url.pathname}"`;
}

/** Errors that come back the same: nobody listens, no such name, a certificate that is not trusted. */
function isFinal(code: string): boolean {
  return (
    /^(?:ECONNREFUSED|ENOTFOUND|ENETUNREACH|EHOSTUNREACH|EPROTO|HPE_.*|ERR_SSL_.*|ERR_TLS_.*|CERT_.*|DEPTH_ZERO_.*)$/.test(
      code,
    ) || /^(?:SELF_SIGNED|UNABLE_TO_)/.test(code)
  );
}

function isNoTls(error: Error | undefined): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  return /^(?:EPROTO|ECONNREFUSED|ECONNRESET|ERR_SSL_.*)$/.test(code);
}

function reason(error: Error): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message;
  return error.message || String((error as NodeJS.ErrnoException).code ?? 'it broke');
}

function firstError(body: Buffer): { code: string; detail: string } {
  try {
    const parsed: unknown = JSON.parse(body.toString());
    const list = (parsed as { errors?: unknown }).errors;
    const first: unknown = Array.isArray(list) ? list[0] : undefined;
    const { code, message } = (first ?? {}) as { code?: unknown; message?: unknown };
    return {
      code: typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : '',
      detail: typeof message === 'string' ? printable(message) : '',
    };
  } catch {
    return { code: '', detail: '' };
  }
}

/** It is shown on terminals. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a0-\uffff]/g, ' ').slice(0, 500);
}

function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,6}$/.test(value)) return Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1000);
}
