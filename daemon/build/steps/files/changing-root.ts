// A root that operations on files change, until it becomes a layer. Changes wait and are made by one job, as far as nothing comes between: names of
// owners that have to be looked up in it, and archives, whose bytes come from outside of the jail.
import { closeFd } from '../../../../native-bindings/files.ts';
import { holdTree } from '../../../jail/hold-tree.ts';
import type { FileChange } from '../../../jail/messages.ts';
import type { LayerHold } from '../../../snapshots/layer-store.ts';
import type { StepRoot } from '../../../snapshots/snapshots.ts';
import type { CopyAction, FileAction, OwnerChoice } from '../../graph/operation.ts';
import type { DirectoryResult, Result } from '../step.ts';
import { openArchive } from './archives.ts';
import type { FileParts } from './file-parts.ts';
import { openTogether } from './one-mount.ts';
import { hasNames, numbersOf, type Owner, ownerOf } from './owners.ts';
import { mountResult } from './result-files.ts';

type CopyChange = Extract<FileChange, { change: 'copy' }>;
/** A copy's source is opened when it is made; the caller of `apply` holds it as long. undefined: no files. */
type WaitingChange = Exclude<FileChange, CopyChange> | (Omit<CopyChange, 'fromFd'> & { from: Result | undefined });

/** Made by one job: an ADD of many files is as many copies. */
const maxWaiting = 500;

const placeOf = (rootFd: number) => ({ kind: 'tree', rootFd, mounts: [] }) as const;

export class ChangingRoot implements Disposable {
  readonly #parts: FileParts;
  readonly #top: number | undefined;
  readonly #signal: AbortSignal;
  readonly #root: StepRoot;
  #waiting: WaitingChange[] = [];

  /** `top`: what it stands on, held by the caller until it is sealed. */
  constructor(parts: FileParts, top: number | undefined, signal: AbortSignal) {
    this.#parts = parts;
    this.#top = top;
    this.#signal = signal;
    this.#root = parts.snapshots.openRoot(top);
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }

  /** `from`: where a copy comes from; undefined: no files. */
  async apply(action: FileAction, from: Result | undefined): Promise<void> {
    const times = 'timestamp' in action && action.timestamp !== undefined ? { timestamp: action.timestamp } : {};
    const owner = 'owner' in action && action.owner !== undefined ? { owner: await this.#owner(action.owner) } : {};
    switch (action.action) {
      case 'copy':
        return action.unpacks && from !== undefined
          ? this.#add(action, from, { ...owner, ...times })
          : this.#copy(action, from, { ...owner, ...times });
      case 'make-file': {
        const { path, mode } = action;
        this.#waiting.push({
          change: 'make-file',
          path,
          data: Buffer.from(action.data, 'base64'),
          mode,
          ...owner,
          ...times,
        });
        return;
      }
      case 'make-directory': {
        const { path, mode, makesParents } = action;
        this.#waiting.push({ change: 'make-directory', path, mode, makesParents, ...owner, ...times });
        return;
      }
      case 'symlink':
        this.#waiting.push({ change: 'symlink', path: action.path, target: action.target, ...owner, ...times });
        return;
      case 'remove': {
        const { path, allowsMissing, hasWildcards } = action;
        this.#waiting.push({ change: 'remove', path, allowsMissing, hasWildcards });
      }
    }
  }

  /** All files of a directory as they are. */
  async copyAll(from: DirectoryResult): Promise<void> {
    const all = { sources: ['/'], exclude: [], hasWildcards: false, allowsNoMatch: true, keepsParents: false };
    this.#waiting.push({
      change: 'copy',
      from,
      ...all,
      destination: '/',
      replacesLinks: false,
    });
    await this.#flush();
  }

  async seal(): Promise<LayerHold> {
    await this.#flush();
    return this.#root.seal();
  }

  #copy(action: CopyAction, from: Result | undefined, rest: { owner?: Owner; timestamp?: number }): void {
    const { sources, exclude, hasWildcards, allowsNoMatch, keepsParents, destination, replacesLinks, mode } = action;
    this.#waiting.push({
      change: 'copy',
      from,
      ...{ sources, exclude, hasWildcards, allowsNoMatch, keepsParents, destination, replacesLinks },
      ...(mode === undefined ? {} : { mode }),
      ...rest,
    });
  }

  /** As a copy, but archives are unpacked into the destination, one by one. */
  async #add(action: CopyAction, from: Result, rest: { owner?: Owner; timestamp?: number }): Promise<void> {
    const { sources, exclude, hasWildcards, allowsNoMatch, keepsParents, destination } = action;
    const choice = { sources, exclude, hasWildcards, allowsNoMatch, keepsParents };
    const fd = mountResult(this.#parts.snapshots, from);
    const job = { do: 'name-sources', place: placeOf(fd), choice } as const;
    const named = await this.#parts.jail.run<'name-sources'>(job, [fd], { signal: this.#signal });
    if (!named.some(({ isFile }) => isFile)) {
      this.#copy(action, from, rest);
      return;
    }
    for (const { path, isFile } of named) {
      using archive = isFile ? await this.#archive(from, path) : undefined;
      this.#signal.throwIfAborted();
      if (archive === undefined) {
        this.#copy({ ...action, sources: [path], hasWildcards: false, allowsNoMatch: false }, from, rest);
        if (this.#waiting.length >= maxWaiting) await this.#flush();
        continue;
      }
      const directory = { change: 'make-directory', path: destination, mode: 0o755, makesParents: true } as const;
      this.#waiting.push({ ...directory, ...rest });
      await this.#flush();
      await this.#parts.jail.run<'put'>(...this.#put(destination, rest.owner), {
        input: archive.bytes,
        signal: this.#signal,
      });
      if (rest.timestamp !== undefined) this.#waiting.push({ ...directory, ...rest, touches: true });
    }
  }

  async #archive(from: Result, path: string) {
    const root = mountResult(this.#parts.snapshots, from);
    try {
      return await openArchive(root, path, this.#signal);
    } finally {
      closeFd(root);
    }
  }

  /** Through an overlay: an archive can link to, and go into, whatever is there. */
  #put(path: string, owner: Owner | undefined) {
    const rootFd = this.#root.mount();
    const options = { noOverwriteDirNonDir: false, owner };
    return [{ do: 'put' as const, place: placeOf(rootFd), path, options }, [rootFd]] as const;
  }

  async #owner(choice: OwnerChoice): Promise<Owner> {
    if (!hasNames(choice)) return numbersOf(choice);
    await this.#flush();
    const fd = this.#root.mount();
    try {
      return ownerOf(choice, fd);
    } finally {
      closeFd(fd);
    }
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    using fds = new DisposableStack();
    const own = (fd: number): number => fds.adopt(fd, closeFd);
    const lower = this.#top === undefined ? {} : { lowerFd: own(this.#parts.snapshots.view(this.#top)) };
    const { upperFd, linkable } = this.#openUpper(waiting, own);
    const mounts = new Map<Result | undefined, number>();
    const mountOf = (from: Result | undefined): number => {
      const fd = mounts.get(from) ?? own(mountResult(this.#parts.snapshots, from));
      mounts.set(from, fd);
      return fd;
    };
    const changes = waiting.map((change): FileChange => {
      if (change.change !== 'copy') return change;
      const { from, ...copy } = change;
      const known = from?.kind === 'directory' ? linkable.get(from.path) : undefined;
      if (known !== undefined) return { ...copy, fromFd: known, isLinkable: true };
      return { ...copy, fromFd: mountOf(from) };
    });
    const job = { do: 'change-files', place: { kind: 'home' }, upperFd, ...lower, changes } as const;
    await this.#parts.jail.run<'change-files'>(job, [], { signal: this.#signal });
  }

  /** With the directories that are copied from, by their paths, as far as one mount has them all. */
  #openUpper(waiting: readonly WaitingChange[], own: (fd: number) => number) {
    const { upper } = this.#root.dirs;
    const all = waiting.flatMap((change) =>
      change.change === 'copy' && change.from?.kind === 'directory' ? [change.from.path] : [],
    );
    const paths = [...new Set(all)];
    const [first, ...others] = openTogether([upper, ...paths])?.map(own) ?? [own(holdTree(upper))];
    return {
      upperFd: first as number,
      linkable: new Map(others.map((fd, index): [string, number] => [paths[index] as string, fd])),
    };
  }
}
