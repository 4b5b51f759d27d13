// Shows a stream of progress messages (pull, push, load, import) and turns the error in it into this program's error.
import type { JsonMessage } from '../../daemon/docker-types/image.ts';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';
import type { Output } from '../terminal/output.ts';

/** Where messages go: lines as they come, or rows that are drawn over. */
interface ProgressView {
  show(message: JsonMessage): void;
  /** Leaves the last state on the screen. */
  end(): void;
}

export async function showProgress(
  cli: Cli,
  body: AsyncIterable<Buffer>,
  options: { quiet: boolean; to: Output },
): Promise<void> {
  const view = await openView(options);
  try {
    for await (const message of jsonLines<JsonMessage>(body)) {
      if (message.error !== undefined || message.errorDetail) {
        const code = message.errorDetail?.code ?? 0;
        throw new CliError(message.errorDetail?.message ?? message.error ?? '', code > 0 && code < 256 ? code : 1);
      }
      view.show(message);
    }
  } finally {
    view.end();
  }
  if (cli.options.debug) cli.err.line('end of progress');
}

async function openView({ quiet, to }: { quiet: boolean; to: Output }): Promise<ProgressView> {
  if (quiet) return { show() {}, end() {} };
  if (!to.isTerminal) return { show: (message) => showLine(to, message), end() {} };
  const { LiveProgress } = await import('./live-progress.ts');
  return new LiveProgress(to);
}

function showLine(to: Output, message: JsonMessage): void {
  if (message.stream !== undefined) to.print(message.stream);
  // Without a terminal only the changes of state are worth a line.
  else if (!isAmount(message) && message.status !== undefined) {
    to.line(message.id === undefined ? message.status : `${message.id}: ${message.status}`);
  }
}

function isAmount({ progress, progressDetail }: JsonMessage): boolean {
  return Boolean(progress) || (progressDetail?.current ?? 0) > 0 || (progressDetail?.total ?? 0) > 0;
}

const maxLineBytes = 16 << 20;

/** JSON values, one to a line. */
export async function* jsonLines<T>(body: AsyncIterable<Buffer>): AsyncGenerator<T> {
  for await (const line of textLines(body)) {
    // The daemon's word is taken for the shape.
    yield JSON.parse(line) as T;
  }
}

/** Non-empty lines. */
export async function* textLines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10)) {
      const line = pending.toString('utf8', 0, end).trim();
      pending = pending.subarray(end + 1);
      if (line !== '') yield line;
    }
    if (pending.length > maxLineBytes) throw new CliError('line of the answer too long');
  }
  const last = pending.toString().trim();
  if (last !== '') yield last;
}
