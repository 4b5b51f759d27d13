// A build on a terminal: the vertices with their times, what runs with its last lines, drawn over a few times a second.
import type { BuildEventLine } from '../../daemon/docker-types/build.ts';
import { humanSize } from '../../daemon/protocols/units/human-units.ts';
import { displayWidth } from '../formats/display-width.ts';
import type { Output } from '../terminal/output.ts';
import { windowSize } from '../terminal/window-size.ts';
import { plain } from '../views/progress-rows.ts';
import { type BuildProgress, isComplete, lastLines, seconds, type VertexProgress } from './progress-model.ts';

const frameMs = 100;
/** Of the output of each vertex that runs. */
const shownLines = 6;

export class LiveView {
  readonly #to: Output;
  readonly #progress: BuildProgress;
  readonly #beganMs = Date.now();
  readonly #timer: NodeJS.Timeout;
  readonly #redraw = () => this.#draw(false);
  #drawnLines: string[] = [];

  constructor(to: Output, progress: BuildProgress) {
    this.#to = to;
    this.#progress = progress;
    this.#timer = setInterval(this.#redraw, frameMs);
    process.on('SIGWINCH', this.#redraw);
  }

  show(event: BuildEventLine): void {
    this.#progress.take(event);
  }

  /** The last frame has all of it, however high the window. */
  end(): void {
    clearInterval(this.#timer);
    process.off('SIGWINCH', this.#redraw);
    this.#draw(true);
    const { warnings } = this.#progress;
    if (warnings.length > 0) this.#to.line(`\n ${warnings.length} warning${warnings.length === 1 ? '' : 's'} found:`);
    for (const { short } of warnings) this.#to.line(` - ${plain(short)}`);
  }

  #draw(isLast: boolean): void {
    const { columns, rows } = this.#size();
    const body = renderBuild(this.#progress, Date.now(), columns);
    const head = this.#head(columns);
    const shown = isLast || body.length < rows - 1 ? body : body.slice(body.length - (rows - 2));
    this.#replace([head, ...shown]);
  }

  #head(columns: number): string {
    const { vertices, completedCount, failed } = this.#progress;
    const isOver = completedCount === vertices.size || failed !== undefined;
    const state = failed !== undefined ? ' ERROR' : isOver ? ' FINISHED' : '';
    return `[+] Building ${seconds(this.#beganMs, Date.now())} (${completedCount}/${vertices.size})${state}`.slice(
      0,
      columns,
    );
  }

  #replace(lines: string[]): void {
    const { columns } = this.#size();
    const up = this.#drawnLines.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0);
    const back = up === 0 ? '\r' : `\r\x1b[${up}A`;
    this.#to.print(`${back}${lines.map((line) => `${line}\x1b[K\n`).join('')}\x1b[J`);
    this.#drawnLines = lines;
  }

  #size(): { columns: number; rows: number } {
    const size = windowSize(this.#to.fd);
    return { columns: Math.max(20, (size?.columns || 80) - 1), rows: Math.max(4, (size?.rows || 24) - 1) };
  }
}

/** Lines of at most `columns` cells. */
export function renderBuild(progress: BuildProgress, nowMs: number, columns: number): string[] {
  return [...progress.vertices.values()].flatMap((vertex) => renderVertex(vertex, nowMs, columns));
}

function renderVertex(vertex: VertexProgress, nowMs: number, columns: number): string[] {
  if (vertex.name === '') return [];
  const { isCached, error, startedMs, completedMs } = vertex;
  const word = error !== undefined ? 'ERROR ' : isCached ? 'CACHED ' : '';
  const time = startedMs === undefined ? '0.0s' : seconds(startedMs, completedMs ?? nowMs);
  const lines = [justified(` => ${word}${plain(vertex.name)}`, time, columns)];
  if (isComplete(vertex) || startedMs === undefined) return lines;
  for (const { id, current, total, completedMs: done, startedMs: begun } of vertex.statuses.values()) {
    const bytes =
      total > 0 ? ` ${humanSize(current)} / ${humanSize(total)}` : current > 0 ? ` ${humanSize(current)}` : '';
    lines.push(justified(` => => ${plain(id)}${bytes}`, seconds(begun, done ?? nowMs), columns));
  }
  for (const line of lastLines(vertex, shownLines)) lines.push(cut(` => => # ${plain(line)}`, columns));
  return lines;
}

function justified(left: string, right: string, columns: number): string {
  const room = columns - right.length - 1;
  const text = cut(left, room);
  return `${text}${' '.repeat(Math.max(1, columns - displayWidth(text) - right.length))}${right}`;
}

function cut(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  const characters = [...text];
  while (characters.length > 0 && displayWidth(characters.join('')) > columns) characters.pop();
  return characters.join('');
}
