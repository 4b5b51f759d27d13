// `import URL`: a tar that the daemon fetches itself, as docker's does. Whoever may ask for that may do anything on this host, so that any
// address is allowed; what comes is limited and unpacked as any other tar.
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { EngineError } from '../../errors/engine-error.ts';

export interface RemoteTar {
  readonly url: string;
  /** Has to be read or destroyed. */
  readonly stream: IncomingMessage;
  /** undefined: the server did not say. */
  readonly sizeBytes: number | undefined;
}

const MAX_REDIRECTS = 10;
/** Nothing comes for so long: it is given up. */
const IDLE_MS = 120_000;
const MAX_HEADER_BYTES = 64 * 1024;

/** What has no scheme is http, as for docker. Throws 'invalid' for what is no such URL. */
export function importUrl(text: string): URL {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '')
    throw new EngineError('invalid', `import ${JSON.stringify(text.slice(0, 200))}: it is no http or https URL`);
  return url;
}

export interface RemoteOptions {
  /** Further ones. */
  readonly headers?: Readonly<Record<string, string>>;
  /** 304 is an answer too: one without a body. */
  readonly isRevalidated?: boolean;
}

/** Resolves when the answer begins. Of build's `ADD URL` too. */
export async function openRemoteTar(
  start: URL,
  signal?: AbortSignal,
  { headers = {}, isRevalidated = false }: RemoteOptions = {},
): Promise<RemoteTar> {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const answer = await get(url, signal, headers);
    const status = answer.statusCode ?? 0;
    if (status === 200 || (status === 304 && isRevalidated)) {
      const length = Number(answer.headers['content-length'] ?? Number.NaN);
      return { url: shown(start), stream: answer, sizeBytes: Number.isSafeInteger(length) ? length : undefined };
    }
    answer.destroy();
    if (![301, 302, 303, 307, 308].includes(status)) {
      const code = status === 404 ? 'not-found' : 'invalid';
      throw new EngineError(
        code,
        `failed to GET ${shown(url)} with status ${status} ${answer.statusMessage ?? ''}`.trim(),
      );
    }
    const next = URL.parse(answer.headers.location ?? '', url.href);
    if (next === null || !/^https?:$/.test(next.protocol))
      throw new EngineError('invalid', `failed to GET ${shown(url)}: it redirects to what is no http or https URL`);
    if (url.protocol === 'https:' && next.protocol === 'http:')
      throw new EngineError('invalid', `failed to GET ${shown(url)}: it redirects from https to http`);
    url = next;
  }
  throw new EngineError('invalid', `failed to GET ${shown(start)}: more than ${MAX_REDIRECTS} redirects`);
}

function get(
  url: URL,
  signal: AbortSignal | undefined,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const options = {
    headers: {
      ...headers,
      'User-Agent': 'tsdocker',
      'Accept-Encoding': 'identity',
    },
    agent: false as const,
    maxHeaderSize: MAX_HEADER_BYTES,
    timeout: IDLE_MS,
    ...(signal === undefined ? {} : { signal }),
  };
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? https.get(url, options) : http.get(url, options);
    request.once('timeout', () => request.destroy(new Error(`no data for ${IDLE_MS / 1000} s`)));
    request.on('error', (error) =>
      reject(new EngineError('system', `failed to GET ${shown(url)}: ${error.message}`, { cause: error })),
    );
    request.once('response', (answer) => {
      // Whoever reads it is told; when nobody does any more, it is nobody's concern.
      answer.on('error', () => undefined);
      resolve(answer);
    });
  });
}

/** Without a password. */
function shown(url: URL): string {
  const copy = new URL(url);
  if (copy.password !== '') copy.password = 'xxxxx';
  return copy.href.slice(0, 500);
}
