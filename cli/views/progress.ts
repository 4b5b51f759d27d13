// Shows a stream of progress messages (pull, import) and turns the error in it into this program's error.
import type { JsonMessage } from '../../daemon/api/types/image.ts';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';
import type { Output } from '../terminal/output.ts';

export async function showProgress(
  cli: Cli,
  body: AsyncIterable<Buffer>,
  options: { quiet: boolean; to: Output },
): Promise<void> {
  const to = options.to;
  const rows = new Map<string, number>();
  for await (const message of jsonLines<JsonMessage>(body)) {
    if (message.error !== undefined || message.errorDetail) {
      const code = message.errorDetail?.code ?? 0;
      throw new CliError(message.errorDetail?.message ?? message.error ?? '', code > 0 && code < 256 ? code : 1);
    }
    if (options.quiet) continue;
    if (message.stream !== undefined) to.print(message.stream);
    else if (message.id === undefined || !to.isTerminal) showLine(to, message);
    else showRow(to, rows, message.id, message);
  }
  if (cli.options.debug) cli.err.line('end of progress');
}

function showLine(to: Output, message: JsonMessage): void {
  // Without a terminal only the changes of state are worth a line.
  if (message.progress || message.progressDetail?.current || message.status === undefined) return;
  to.line(message.id === undefined ? message.status : `${message.id}: ${message.status}`);
}

/** One row of the terminal per id, drawn over. */
function showRow(to: Output, rows: Map<string, number>, id: string, message: JsonMessage): void {
  let row = rows.get(id);
  if (row === undefined) {
    row = rows.size;
    rows.set(id, row);
    to.print('\n');
  }
  const up = rows.size - row;
  const progress = message.progress ? ` ${message.progress}` : '';
  to.print(`\x1b[${up}A\r\x1b[2K${id}: ${message.status ?? ''}${progress}\r\x1b[${up}B`);
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
