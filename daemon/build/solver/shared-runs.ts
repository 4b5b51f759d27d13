// Steps that several builds want at the same time and that run once: they go on while one of them is there. Who comes late is told all that was
// told before, as far as it is kept. Who leaves gives up its own wish only; the last one waits for the end of what it has stopped.
import { ExecFailed } from '../steps/exec-failed.ts';
import type { ClientServices, LayersResult } from '../steps/step.ts';

/** Of output that is kept for who comes late. */
const KEPT_BYTES = 512 * 1024;

/** What a step tells while it runs. */
export type RunEvent =
  | { readonly kind: 'started'; readonly atMs: number }
  | {
      readonly kind: 'log';
      readonly atMs: number;
      readonly stream: 'stdout' | 'stderr';
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'status';
      readonly id: string;
      readonly current: number;
      readonly total: number;
      readonly startedMs: number;
      readonly completedMs?: number;
    };

/** A build that wants a step. */
export interface RunMember {
  readonly signal: AbortSignal;
  readonly client: ClientServices;
  /** It wants the root of a step that fails, see ExecFailed. */
  readonly keepsFailed: boolean;
  tell(event: RunEvent): void;
}

export interface RunContext {
  /** Aborts when nobody waits for it any more. */
  readonly signal: AbortSignal;
  /** Those who wait, one after the other. */
  readonly client: ClientServices;
  tell(event: RunEvent): void;
}

interface Run {
  readonly controller: AbortController;
  readonly members: Set<RunMember>;
  readonly told: RunEvent[];
  readonly work: Promise<readonly LayersResult[]>;
  toldBytes: number;
}

export class SharedRuns {
  readonly #runs = new Map<string, Run>();

  /** Joins what runs under this key, or begins it. The results, and the root of a step that failed, are the caller's own. Rejects with the signal's reason. */
  async join(
    key: string,
    member: RunMember,
    begin: (context: RunContext) => Promise<readonly LayersResult[]>,
  ): Promise<readonly LayersResult[]> {
    for (;;) {
      member.signal.throwIfAborted();
      const run = this.#runs.get(key) ?? this.#start(key, begin);
      if (!run.controller.signal.aborted) return this.#wait(run, member);
      // Nobody wanted it a moment ago: it has to be over before it begins anew.
      await run.work.catch(() => undefined);
    }
  }

  #start(key: string, begin: (context: RunContext) => Promise<readonly LayersResult[]>): Run {
    const controller = new AbortController();
    const members = new Set<RunMember>();
    const context: RunContext = {
      signal: controller.signal,
      client: firstOf(members),
      tell: (event) => {
        keep(run, event);
        for (const member of members) member.tell(event);
      },
    };
    const work = Promise.resolve()
      .then(() => begin(context))
      .finally(() => {
        if (this.#runs.get(key) === run) this.#runs.delete(key);
      });
    const run: Run = { controller, members, told: [], work, toldBytes: 0 };
    // Whoever waits is told. Nobody may.
    work.catch(() => undefined);
    this.#runs.set(key, run);
    return run;
  }

  async #wait(run: Run, member: RunMember): Promise<readonly LayersResult[]> {
    run.members.add(member);
    for (const event of run.told) member.tell(event);
    try {
      const results = await orAborted(run.work, member.signal);
      return results.map((result) => result.again());
    } catch (error) {
      // Its failure is everybody's; of those who leave the last one stops it.
      if (run.members.size === 1) {
        run.controller.abort(error);
        await run.work.catch(() => undefined);
      }
      // Of the work, not what the member left for.
      const isOfWork = error instanceof ExecFailed && error !== member.signal.reason;
      throw isOfWork ? error.again({ keepsRoot: member.keepsFailed }) : error;
    } finally {
      run.members.delete(member);
      if (run.members.size === 0) release(run);
    }
  }
}

/** After the last who waited for it. */
function release(run: Run): void {
  run.work.then(
    (results) => {
      for (const result of results) result[Symbol.dispose]();
    },
    (error: unknown) => {
      if (error instanceof ExecFailed) error.root?.[Symbol.dispose]();
    },
  );
}

function keep(run: Run, event: RunEvent): void {
  run.told.push(event);
  if (event.kind === 'log') run.toldBytes += event.bytes.length;
  while (run.toldBytes > KEPT_BYTES || run.told.length > 10_000) {
    // Not that it began.
    const [gone] = run.told.splice(1, 1);
    if (gone === undefined) return;
    if (gone.kind === 'log') run.toldBytes -= gone.bytes.length;
  }
}

function firstOf(members: ReadonlySet<RunMember>): ClientServices {
  const ask = async <T>(question: (client: ClientServices) => Promise<T | undefined>): Promise<T | undefined> => {
    for (const { client } of [...members]) {
      const answer = await question(client);
      if (answer !== undefined) return answer;
    }
    return undefined;
  };
  return {
    secret: (id) => ask((client) => client.secret(id)),
    sshAgent: (id) => ask((client) => client.sshAgent(id)),
    directory: (name, wanted, signal) => ask((client) => client.directory(name, wanted, signal)),
  };
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    const forget = (): void => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).then(forget, forget);
  });
}
