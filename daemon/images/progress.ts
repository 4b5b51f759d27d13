// Progress as Docker words it: lines with a bar, and not more of them than somebody can read.
import type { ProgressMessage } from '../docker-types/progress.ts';
import { humanSize } from '../protocols/units/human-units.ts';

/** Where an operation tells how far it is. Never throws, never waits: who cannot keep up loses the lines in between. */
export type ProgressSink = (message: ProgressMessage) => void;

const BAR_CELLS = 50;

/** A line that counts bytes. `total` 0: not known. */
export function counted(status: string, id: string, current: number, total: number): ProgressMessage {
  return {
    status,
    progressDetail: total > 0 ? { current, total } : { current },
    progress: progressBar(current, total),
    id,
  };
}

/** A line about something, with nothing to count. */
export function noted(status: string, id: string): ProgressMessage {
  return { status, progressDetail: {}, id };
}

/** "[====>   ]  1.2MB/3MB": fifty cells, sizes in SI units as Docker prints them. */
export function progressBar(current: number, total: number): string {
  const done = humanSize(current);
  if (total <= 0) return done.padStart(8);
  const cells = Math.min(BAR_CELLS, Math.floor((current / total) * BAR_CELLS));
  const bar = `${'='.repeat(cells)}>${' '.repeat(Math.max(0, BAR_CELLS - cells))}`.slice(
    0,
    Math.max(BAR_CELLS, cells + 1),
  );
  return `[${bar}] ${done.padStart(8)}/${current > total ? done : humanSize(total)}`;
}
