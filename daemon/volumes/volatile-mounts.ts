// Volumes whose every mount is a new, empty file system (tmpfs): containers that run at the same time share one, and with the last of them it
// is gone. The containers hold it, so that it outlives the daemon; a further container is given the one that a running container has.
import { closeSync, openSync } from 'node:fs';
import type { Jail } from '../jail/jail.ts';
import { HeldMount } from './held-mount.ts';
import type { LocalMount } from './local-options.ts';
import { deviceOf, narrow, openLocalMount } from './open-volume.ts';
import type { VolumeUser } from './volume-service.ts';

export class VolatileMounts {
  readonly #jail: Jail;
  /** Starts that wait for each other, by volume. */
  readonly #turns = new Map<string, Promise<void>>();
  /** Of those that this daemon mounted: st_dev, so that nobody can pass something else off as the volume. */
  readonly #devices = new Map<string, number>();

  constructor(jail: Jail) {
    this.#jail = jail;
  }

  /** The turn ends when the result is disposed of: by then the container runs, and `users` tells of it. */
  async open(name: string, plan: LocalMount, subpath: string, users: () => readonly VolumeUser[]): Promise<HeldMount> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const turn = before.then(() => promise);
    this.#turns.set(name, turn);
    const end = () => {
      if (this.#turns.get(name) === turn) this.#turns.delete(name);
      resolve();
    };
    await before;
    try {
      const mounted = (await this.#shared(name, users())) ?? (await this.#fresh(name, plan));
      return new HeldMount(await narrow(this.#jail, mounted, subpath), end);
    } catch (error) {
      end();
      throw error;
    }
  }

  async #fresh(name: string, plan: LocalMount): Promise<number> {
    const fd = await openLocalMount(this.#jail, name, plan);
    this.#devices.set(name, deviceOf(fd));
    return fd;
  }

  async #shared(name: string, users: readonly VolumeUser[]): Promise<number | undefined> {
    const device = this.#devices.get(name);
    for (const { running } of users) {
      if (running === undefined) continue;
      let nsFd: number;
      try {
        nsFd = openSync(`/proc/${running.pid}/ns/mnt`, 'r');
      } catch {
        // It has ended meanwhile.
        continue;
      }
      try {
        return await this.#jail.run<'clone-mount'>(
          {
            do: 'clone-mount',
            place: { kind: 'namespace', nsFd, sees: 'everything' },
            path: running.target,
            ...(device === undefined ? {} : { device }),
          },
          [],
        );
      } catch {
        // Unmounted or covered inside: the next one may still have it.
      } finally {
        closeSync(nsFd);
      }
    }
    return undefined;
  }
}
