// What an output tells while it is made, as BuildKit's exporters do: a vertex of its own, and what it is at.
import { randomBytes } from 'node:crypto';
import type { OutputChoice } from '../build-request.ts';
import type { BuildEventSink } from '../solver/build-event.ts';
import { wallClockMs } from '../solver/vertex-progress.ts';

/** What making an output of a type is called. */
export const outputNames: Readonly<Record<OutputChoice['type'], string>> = {
  image: 'exporting to image',
  local: 'exporting to client directory',
  tar: 'exporting to client tarball',
  oci: 'exporting to oci image format',
  docker: 'exporting to docker image format',
};

export class OutputProgress {
  readonly #tell: BuildEventSink;
  readonly #vertex: { readonly digest: string; readonly inputs: readonly string[]; readonly name: string };
  readonly #startedMs = wallClockMs();

  constructor(tell: BuildEventSink, name: string) {
    this.#tell = tell;
    this.#vertex = { digest: `sha256:${randomBytes(32).toString('hex')}`, inputs: [], name };
    tell({ kind: 'vertex', ...this.#vertex, startedMs: this.#startedMs, isCached: false });
  }

  /** Tells that `work` goes on, and when it is done. */
  async doing<T>(id: string, work: () => Promise<T> | T): Promise<T> {
    const startedMs = wallClockMs();
    const status = { kind: 'status', vertex: this.#vertex.digest, id, current: 0, total: 0, startedMs } as const;
    this.#tell(status);
    const result = await work();
    this.#tell({ ...status, completedMs: wallClockMs() });
    return result;
  }

  /** `error`: why it failed. */
  end(error?: unknown): void {
    const why = error === undefined ? {} : { error: error instanceof Error ? error.message : String(error) };
    const { digest, inputs, name } = this.#vertex;
    const completedMs = wallClockMs();
    this.#tell({
      kind: 'vertex',
      digest,
      inputs,
      name,
      startedMs: this.#startedMs,
      completedMs,
      isCached: false,
      ...why,
    });
  }
}
