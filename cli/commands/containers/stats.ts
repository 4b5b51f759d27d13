import type { ContainerSummary } from '../../../daemon/docker-types/container.ts';
import type { ContainerStatsResponse } from '../../../daemon/docker-types/stats.ts';
import type { EventMessage } from '../../../daemon/docker-types/system.ts';
import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { joinErrors } from '../../errors.ts';
import { listFormatHelp } from '../../options/format-help.ts';
import { type ListFormat, parseListFormat, renderList } from '../../views/list.ts';
import { jsonLines } from '../../views/progress.ts';
import { type StatsEntry, statsEntry, statsHeaders, statsTable, statsView } from '../../views/stats-view.ts';

const refreshMs = 500;
/** A sample comes every second; without one for this long the row shows dashes. */
const staleMs = 2000;
const clearToEnd = '\x1b[J';
const clearLine = '\x1b[K';
const home = '\x1b[H';

export const stats = defineCommand({
  usage: '[OPTIONS] [CONTAINER...]',
  short: 'Display a live stream of container(s) resource usage statistics',
  aliases: ['container stats', 'stats'],
  flags: {
    all: boolFlag('all,a', 'Show all containers (default shows just running)'),
    format: stringFlag('format', listFormatHelp),
    noStream: boolFlag('no-stream', 'Disable streaming stats and only pull the first result'),
    noTrunc: boolFlag('no-trunc', 'Do not truncate output'),
  },
  arguments: atLeast(0),
  async run({ cli, flags, args }) {
    const source = flags.format || cli.config().statsFormat || 'table';
    const board = new Board(cli, !flags.noStream);
    const watched = args.length > 0 ? undefined : watchAll(cli, board, flags.all, flags.noStream);
    if (watched) await watched.ready;
    else for (const name of args) board.add(name, name);
    await board.firstSamples();
    const errors = board.errors();
    if (args.length > 0 && errors.length > 0) throw joinErrors(errors);
    const format = parseListFormat(source, statsTable);
    const draw = () => show(cli, format, board, { live: !flags.noStream, truncate: !flags.noTrunc });
    draw();
    if (flags.noStream) return 0;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, refreshMs));
      draw();
      if (watched?.isEnded() || (args.length > 0 && board.isEmpty)) return 0;
    }
  },
});

interface Row {
  label: string;
  entry: StatsEntry | undefined;
  updatedMs: number;
  error: unknown;
  first: Promise<void>;
  cancel(): void;
}

/** The containers that are shown, each with its stream of samples. */
class Board {
  readonly #cli: Cli;
  readonly #stream: boolean;
  readonly #rows = new Map<string, Row>();

  constructor(cli: Cli, stream: boolean) {
    this.#cli = cli;
    this.#stream = stream;
  }

  get isEmpty(): boolean {
    return this.#rows.size === 0;
  }

  /** `key` is what `remove` is called with later. */
  add(key: string, label: string): void {
    if (this.#rows.has(key)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, staleMs);
    const row: Row = { label, entry: undefined, updatedMs: 0, error: undefined, first: promise, cancel: () => {} };
    this.#rows.set(key, row);
    void this.#collect(row, resolve)
      .catch((error: unknown) => {
        row.error = error;
      })
      .finally(() => {
        clearTimeout(timer);
        resolve();
      });
  }

  remove(key: string): void {
    this.#rows.get(key)?.cancel();
    this.#rows.delete(key);
  }

  async firstSamples(): Promise<void> {
    await Promise.all([...this.#rows.values()].map((row) => row.first));
  }

  errors(): unknown[] {
    return [...this.#rows.values()].map((row) => row.error).filter((error) => error !== undefined);
  }

  rows(): { label: string; entry: StatsEntry | undefined; isStale: boolean }[] {
    const limit = Date.now() - staleMs;
    return [...this.#rows.values()].map(({ label, entry, updatedMs, error }) => ({
      label,
      entry,
      isStale: error !== undefined || (this.#stream && updatedMs < limit),
    }));
  }

  async #collect(row: Row, onFirst: () => void): Promise<void> {
    const response = await this.#cli.client.request('GET', `/containers/${segment(row.label)}/stats`, {
      query: { stream: this.#stream ? '1' : '0' },
    });
    row.cancel = () => response.body.cancel();
    for await (const sample of jsonLines<ContainerStatsResponse>(response.body)) {
      row.entry = statsEntry(sample);
      row.updatedMs = Date.now();
      onFirst();
    }
  }
}

interface Watch {
  /** The containers there are now are on the board. */
  ready: Promise<void>;
  isEnded(): boolean;
}

/** Follows the events, so that containers come and go on the board as they do. */
function watchAll(cli: Cli, board: Board, all: boolean, once: boolean): Watch {
  let ended = false;
  const short = (id: string) => id.slice(0, 12);
  const follow = async () => {
    const filters = JSON.stringify({ type: { container: true } });
    const response = await cli.client.request('GET', '/events', { query: { filters } });
    void (async () => {
      for await (const event of jsonLines<EventMessage>(response.body)) {
        const id = short(event.Actor.ID);
        if (event.Action === 'start' || (all && event.Action === 'create')) board.add(id, id);
        else if (event.Action === 'destroy' || (!all && event.Action === 'die')) board.remove(id);
      }
      ended = true;
    })().catch(() => {
      ended = true;
    });
  };
  const ready = (async () => {
    // Listening first: what starts between the list and the events would be missed.
    if (!once) await follow();
    const containers = await cli.client.get<ContainerSummary[]>('/containers/json', { all: all ? '1' : undefined });
    for (const { Id } of containers) board.add(short(Id), short(Id));
  })();
  return { ready, isEnded: () => ended };
}

function show(cli: Cli, format: ListFormat, board: Board, options: { live: boolean; truncate: boolean }): void {
  const rows = board
    .rows()
    .map(({ label, entry, isStale }) => statsView(label, entry, { isStale, truncate: options.truncate }));
  const text = renderList(format, statsHeaders, rows);
  // Drawn over line by line: clearing everything first would flicker.
  if (options.live) cli.out.print(`${home}${text.replaceAll('\n', `${clearLine}\n`)}${clearToEnd}`);
  else cli.out.print(text);
}
