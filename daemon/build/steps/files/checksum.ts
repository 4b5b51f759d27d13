// Checksums of parts of results. What does not change is remembered: layers by their number, which no other layer of this process gets, directories by
// what they say that they are.
import { holdTree } from '../../../jail/hold-tree.ts';
import { isNearlyFull, type KnownDigests, newKnownDigests } from '../../../jail/jobs/files/known-digests.ts';
import type { Result, Selection } from '../step.ts';
import type { FileParts } from './file-parts.ts';
import { mountResult } from './result-files.ts';

const MAX_REMEMBERED = 5000;
const NOTHING = 'nothing';

export class Checksums {
  readonly #parts: Pick<FileParts, 'snapshots' | 'layers' | 'jail'>;
  /** Those that were asked for last at the end. */
  readonly #remembered = new Map<string, string>();
  /** Of single files of directories. */
  #files: KnownDigests | undefined;

  constructor(parts: Pick<FileParts, 'snapshots' | 'layers' | 'jail'>) {
    this.#parts = parts;
  }

  async of(input: Result, selection: Selection, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const { sources, exclude, hasWildcards, allowsNoMatch, keepsParents = false } = selection;
    const choice = { sources, exclude, hasWildcards, allowsNoMatch, keepsParents };
    const key = JSON.stringify([identityOf(input), choice]);
    const known = this.#remembered.get(key);
    if (known !== undefined) {
      this.#remember(key, known);
      return known;
    }
    using _held = input.again();
    using _reading = this.#parts.layers.read(input.kind === 'layers' ? input.top : undefined);
    const rootFd = input.kind === 'directory' ? holdTree(input.path) : mountResult(this.#parts.snapshots, input);
    const place = { kind: 'tree', rootFd, mounts: [] } as const;
    const files = input.kind === 'directory' ? { known: this.#knownDigests() } : {};
    const job = { do: 'checksum', place, choice, ...files } as const;
    const digest = await this.#parts.jail.run<'checksum'>(job, [rootFd], { signal });
    this.#remember(key, digest);
    return digest;
  }

  #knownDigests(): KnownDigests {
    if (this.#files === undefined || isNearlyFull(this.#files)) this.#files = newKnownDigests();
    return this.#files;
  }

  #remember(key: string, digest: string): void {
    this.#remembered.delete(key);
    this.#remembered.set(key, digest);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= MAX_REMEMBERED) break;
      this.#remembered.delete(oldest);
    }
  }
}

function identityOf(input: Result): string {
  return input.kind === 'directory' ? `directory ${input.identity}` : `layers ${input.top ?? NOTHING}`;
}
