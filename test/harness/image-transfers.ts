// Images in and out of a daemon by its API, and what has to be true of the daemon while an attack on them runs.
import { answerClock } from './answer-clock.ts';
import type { ApiAnswer } from './api-client.ts';
import { sleep } from './eventually.ts';
import { residentBytes } from './ledger.ts';
import { usualMs } from './pace.ts';
import type { TestDaemon } from './test-daemon.ts';

export interface Transfer {
  status: number;
  /** All lines of the answer. */
  text: string;
  /** The daemon's error, in the status or in the stream; undefined: it succeeded. */
  error: string | undefined;
  /** Of an import, or of a load that says it. */
  id: string | undefined;
}

interface Line {
  status?: string;
  stream?: string;
  error?: string;
  errorDetail?: { message?: string };
}

function transferOf({ status, text }: ApiAnswer): Transfer {
  const lines = text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Line & { message?: string }];
    } catch {
      return [];
    }
  });
  const failed = lines.find((line) => line.error !== undefined || line.errorDetail !== undefined);
  const inStream = failed?.errorDetail?.message ?? failed?.error;
  const refused = status >= 400 ? (lines[0]?.message ?? text) : undefined;
  return { status, text, error: refused ?? inStream, id: /(sha256:[0-9a-f]{64})/.exec(text)?.[1] };
}

export interface TransferOptions {
  /** The AuthConfig to send. */
  auth?: Record<string, string>;
  platform?: string;
  timeoutMs?: number;
}

function headersOf({ auth }: TransferOptions): Record<string, string> {
  return { 'X-Registry-Auth': Buffer.from(JSON.stringify(auth ?? {})).toString('base64url') };
}

export async function pull(daemon: TestDaemon, reference: string, options: TransferOptions = {}): Promise<Transfer> {
  const slash = reference.lastIndexOf('/');
  const at = reference.indexOf('@');
  const colon = reference.indexOf(':', slash);
  const cut = at >= 0 ? at : colon >= 0 ? colon : reference.length;
  const query = new URLSearchParams({ fromImage: reference.slice(0, cut) });
  if (cut < reference.length) query.set('tag', reference.slice(cut + 1));
  if (options.platform !== undefined) query.set('platform', options.platform);
  const path = `/images/create?${query}`;
  return transferOf(
    await daemon.api.send('POST', path, { headers: headersOf(options), timeoutMs: options.timeoutMs ?? 60_000 }),
  );
}

export async function push(daemon: TestDaemon, name: string, tag: string, options: TransferOptions = {}) {
  const path = `/images/${encodeURIComponent(name)}/push?tag=${tag}`;
  return transferOf(await daemon.api.send('POST', path, { headers: headersOf(options), timeoutMs: 60_000 }));
}

export async function load(daemon: TestDaemon, archive: Buffer | NodeJS.ReadableStream): Promise<Transfer> {
  const headers = { 'Content-Type': 'application/x-tar' };
  const answer = daemon.api.send('POST', '/images/load?quiet=1', { raw: archive, headers, timeoutMs: 120_000 });
  return answer.then(transferOf, failedTransfer);
}

export async function importTar(daemon: TestDaemon, tar: Buffer, name: string): Promise<Transfer> {
  const answer = daemon.api.send('POST', `/images/create?fromSrc=-&repo=${name}`, { raw: tar, timeoutMs: 120_000 });
  return answer.then(transferOf, failedTransfer);
}

/** A daemon that refuses a body before its end may close the connection: the client then knows only that. */
function failedTransfer(error: Error): Transfer {
  return { status: 0, text: error.message, error: error.message, id: undefined };
}

/** Every name of every image, and the ids of those without. */
export async function imageNames(daemon: TestDaemon): Promise<string[]> {
  const list = await daemon.api.get<{ Id: string; RepoTags: string[]; RepoDigests: string[] }[]>('/images/json?all=1');
  return list.flatMap(({ Id, RepoTags, RepoDigests }) =>
    RepoTags.length + RepoDigests.length === 0 ? [Id] : [...RepoTags, ...RepoDigests],
  );
}

export interface Watched<T> {
  result: T;
  /** How much the daemon's resident memory grew at the most. */
  grownBytes: number;
  /** Median of the times that `_ping` took, without what a processor was waited for, in milliseconds: one slow answer of a loaded machine is no finding, slow answers are. */
  pingMs: number;
  /** See pace.ts: what `pingMs` is to be compared with. */
  usualMs: number;
}

export async function watched<T>(daemon: TestDaemon, work: Promise<T>): Promise<Watched<T>> {
  const before = residentBytes(daemon.pid);
  let grownBytes = 0;
  const times: number[] = [];
  const clock = answerClock(daemon.pid);
  let isDone = false;
  const end = () => {
    isDone = true;
  };
  void work.then(end, end);
  while (!isDone) {
    const answered = clock.begin();
    await daemon.api.send('GET', '/_ping');
    times.push(answered());
    grownBytes = Math.max(grownBytes, residentBytes(daemon.pid) - before);
    await Promise.race([sleep(15), work.catch(() => {})]);
  }
  times.sort((a, b) => a - b);
  return { result: await work, grownBytes, pingMs: times[(times.length - 1) >> 1] ?? 0, usualMs: usualMs() };
}
