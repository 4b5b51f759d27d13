// All execs by id, over all containers. An ended one is kept for a while, so that its exit code can be asked for.
import { EngineError } from '../../errors/engine-error.ts';
import type { Container } from '../container.ts';
import type { Exec } from './exec.ts';

const keptAfterEndMs = 5 * 60 * 1000;
/** Per container: what a client creates and never starts is memory. Ended ones make room, the oldest first. */
const perContainer = 4096;

export class ExecRegistry {
  readonly #byId = new Map<string, { exec: Exec; container: Container }>();

  add(container: Container, exec: Exec): void {
    if (container.execs.size >= perContainer) oldestEnded(container)?.forget();
    if (container.execs.size >= perContainer) {
      throw new EngineError('conflict', `container ${container.id} has ${perContainer} execs: some have to end first`);
    }
    container.execs.set(exec.id, exec);
    this.#byId.set(exec.id, { exec, container });
  }

  /** Throws 'not-found' in docker's words. */
  get(id: string): { exec: Exec; container: Container } {
    const found = this.#byId.get(id);
    if (found === undefined) throw new EngineError('not-found', `No such exec instance: ${id}`);
    return found;
  }

  delete(exec: Exec): void {
    const found = this.#byId.get(exec.id);
    this.#byId.delete(exec.id);
    found?.container.execs.delete(exec.id);
  }

  /** Forgets an ended exec after its time. `clean` removes its files. */
  expire(exec: Exec, clean: () => void): void {
    const finish = () => {
      clearTimeout(timer);
      this.delete(exec);
      clean();
    };
    const timer = setTimeout(() => exec.forget(), keptAfterEndMs);
    timer.unref();
    exec.onForget(finish);
  }
}

function oldestEnded(container: Container): Exec | undefined {
  for (const exec of container.execs.values()) if (exec.status === 'ended') return exec;
  return undefined;
}
