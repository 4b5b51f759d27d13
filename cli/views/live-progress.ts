// Progress on a terminal: rows drawn over in place, a few times a second, that survive narrow windows, many layers and a change of size.
import type { JsonMessage } from '../../daemon/docker-types/image.ts';
import { displayWidth } from '../formats/display-width.ts';
import type { Output } from '../terminal/output.ts';
import { windowSize } from '../terminal/window-size.ts';
import { type ProgressRow, plain, renderRow, renderRows, updateRows } from './progress-rows.ts';

const frameMs = 100;

export class LiveProgress {
  readonly #to: Output;
  readonly #rows = new Map<string, ProgressRow>();
  /** Lines of the last frame, as they were written. */
  #drawn: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #redraw = () => this.#draw();

  constructor(to: Output) {
    this.#to = to;
    process.on('SIGWINCH', this.#redraw);
  }

  show(message: JsonMessage): void {
    if (message.stream !== undefined) this.#above(message.stream);
    else if (message.id === undefined) this.#above(message.status === undefined ? '' : `${plain(message.status)}\n`);
    else {
      updateRows(this.#rows, { ...message, id: plain(message.id) }, performance.now());
      this.#timer ??= setTimeout(this.#redraw, frameMs);
    }
  }

  /** The last frame is complete, however many rows there are: it scrolls. */
  end(): void {
    process.off('SIGWINCH', this.#redraw);
    clearTimeout(this.#timer);
    const { columns } = this.#size();
    this.#replace([...this.#rows.values()].map((row) => renderRow(row, columns)));
  }

  /** Lines that belong to no layer: what is drawn moves below them, for good. */
  #above(text: string): void {
    if (text === '') return;
    this.end();
    this.#rows.clear();
    this.#drawn = [];
    this.#to.print(text);
    process.on('SIGWINCH', this.#redraw);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { columns, rows } = this.#size();
    this.#replace(renderRows([...this.#rows.values()], columns, rows));
  }

  #replace(lines: string[]): void {
    if (lines.length === 0 && this.#drawn.length === 0) return;
    const back = this.#cursorBack();
    const text = lines.map((line) => `${line}\x1b[K\n`).join('');
    this.#to.print(`${back}${text}\x1b[J`);
    this.#drawn = lines;
  }

  /** To the first line of the last frame. A window that has become narrower has wrapped its lines: those are more to go up. */
  #cursorBack(): string {
    const { columns } = this.#size();
    const up = this.#drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(displayWidth(line) / columns)), 0);
    return up === 0 ? '\r' : `\r\x1b[${up}A`;
  }

  /** What can be used: the last column stays free, since some terminals wrap there; so does the line of the cursor. */
  #size(): { columns: number; rows: number } {
    const size = windowSize(this.#to.fd);
    return { columns: Math.max(1, (size?.columns || 80) - 1), rows: Math.max(2, (size?.rows || 24) - 1) };
  }
}
