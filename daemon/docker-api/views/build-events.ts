// A build's events as our own clients are told them: all of them, but output and counts that a client does not take.

import type { BuildEvent } from '../../build/solver/build-event.ts';
import { type BuildEventLine, buildEventId } from '../../docker-types/build.ts';
import { eventLine, leftOutText } from './build-view.ts';

export interface EventLines {
  readonly hasRoom: boolean;
  write(line: { readonly id: string; readonly aux: BuildEventLine }): void;
}

export class BuildEvents {
  readonly #lines: EventLines;
  /** Bytes of output by vertex. */
  readonly #leftOut = new Map<string, number>();

  constructor(lines: EventLines) {
    this.#lines = lines;
  }

  take(event: BuildEvent): void {
    if (this.#lines.hasRoom) this.tellLeftOut();
    else if (event.kind === 'log') {
      this.#leftOut.set(event.vertex, (this.#leftOut.get(event.vertex) ?? 0) + event.bytes.length);
      return;
    } else if (event.kind === 'status' && event.completedMs === undefined) return;
    // After its end nobody looks for its output.
    else if (event.kind === 'vertex' && event.completedMs !== undefined) this.#tellLeftOutOf(event.digest);
    this.#write(event);
  }

  /** When the client takes something again, and at the end. */
  tellLeftOut(): void {
    for (const vertex of [...this.#leftOut.keys()]) this.#tellLeftOutOf(vertex);
  }

  #tellLeftOutOf(vertex: string): void {
    const count = this.#leftOut.get(vertex);
    if (count === undefined) return;
    this.#leftOut.delete(vertex);
    this.#write({ kind: 'log', vertex, stream: 'stderr', bytes: Buffer.from(leftOutText(count)), atMs: Date.now() });
  }

  #write(event: BuildEvent): void {
    this.#lines.write({ id: buildEventId, aux: eventLine(event) });
  }
}
