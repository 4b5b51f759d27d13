// Exec operations: all that run, and what is done behind those that have ended.
import { EngineError } from '../../../errors/engine-error.ts';
import type { LayersResult, Result, StepRun } from '../step.ts';
import type { ExecParts } from './exec-parts.ts';
import { runStep } from './run-step.ts';
import { StepNetworks } from './step-networks.ts';

export class ExecStep {
  readonly #parts: ExecParts;
  readonly #networks: StepNetworks;
  readonly #closing = new AbortController();
  readonly #pending = new Set<Promise<unknown>>();

  constructor(parts: ExecParts) {
    this.#parts = parts;
    this.#networks = new StepNetworks(parts);
  }

  /** Steps.exec. Rejects with ExecFailed, EngineError or the signal's reason, when nothing is left of it but an ExecFailed's root. */
  exec(run: StepRun, inputs: readonly Result[]): Promise<LayersResult[]> {
    const signal = AbortSignal.any([run.signal, this.#closing.signal]);
    const clearLater = (work: Promise<void>): void => {
      void this.#note(
        work.catch((error: unknown) =>
          this.#parts.log.warn({ err: error }, 'cannot clear away what a step of a build used: the next start does'),
        ),
      );
    };
    return this.#note(runStep(this.#parts, this.#networks, { run, inputs, signal, clearLater }));
  }

  /** When nothing runs, and all is cleared away. */
  async settled(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
  }

  /** Ends what runs. Resolves when nothing is left of any step. */
  async close(): Promise<void> {
    this.#closing.abort(new EngineError('unavailable', 'the engine is about to end'));
    await this.settled();
    await this.#networks.close();
  }

  #note<T>(work: Promise<T>): Promise<T> {
    const noted: Promise<unknown> = work.catch(() => undefined).finally(() => this.#pending.delete(noted));
    this.#pending.add(noted);
    return work;
  }
}
