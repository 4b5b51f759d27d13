// What is mounted into a step beside its root: opened before the launch as detached mounts, and let go of when the process has ended.
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, closeSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { AT, MOUNT_ATTR } from '../../../../native-bindings/constants.ts';
import { isErrno } from '../../../../native-bindings/errno.ts';
import { closeFd } from '../../../../native-bindings/files.ts';
import { mountSetattr } from '../../../../native-bindings/mount-api.ts';
import { EngineError } from '../../../errors/engine-error.ts';
import { holdTree } from '../../../jail/hold-tree.ts';
import { copyAsLayer } from '../../../snapshots/layer-files.ts';
import { mountVolatile } from '../../../snapshots/overlay.ts';
import type { Parent, StepRoot } from '../../../snapshots/snapshots.ts';
import type { ResolvedMount } from '../../../spec/mount.ts';
import { checkTarget, cleanPath } from '../../../spec/mount-target.ts';
import { type CacheMountLease, type CacheMountRequest, keyOf } from '../../cache-mounts/cache-mounts.ts';
import type { BindMount, CacheMount, ExecMount, SecretMount, SshMount, TmpfsMount } from '../../graph/operation.ts';
import { layersResult } from '../layers-result.ts';
import type { LayersResult, Result, StepRun } from '../step.ts';
import type { ExecParts } from './exec-parts.ts';
import { maxPlaceDepth } from './mount-stubs.ts';
import { openSecrets, secretOf } from './secrets.ts';
import { openSshRelay, type SshRelay } from './ssh-relay.ts';

/** Each is a descriptor of the daemon's and the launcher's. */
const maxMounts = 128;

/** Of a mount whose files become a result of the vertex. */
export type MountOutput = { readonly output: number } & (
  | { readonly root: StepRoot; readonly parent: Parent }
  /** It could not be changed. */
  | { readonly unchanged: LayersResult }
);

export interface StepMountsInput {
  readonly run: StepRun;
  readonly inputs: readonly Result[];
  /** Of the root's snapshot: what is thrown away lies beside it. */
  readonly id: string;
  readonly runDir: string;
  readonly signal: AbortSignal;
}

/** Of all mounts but the first. Rejects with nothing left open. */
export async function openStepMounts(
  parts: ExecParts,
  mounts: readonly ExecMount[],
  input: StepMountsInput,
): Promise<StepMounts> {
  const opened = new StepMounts(parts, input);
  try {
    if (mounts.length > maxMounts) throw new EngineError('invalid', `more than ${maxMounts} mounts in one step`);
    const all = lastOfEach(mounts);
    for (const mount of all) await opened.open(mount);
    await opened.openCaches(all.filter((mount) => mount.type === 'cache'));
    await opened.openFiles();
    return opened;
  } catch (error) {
    await opened.close();
    opened.discard();
    throw error;
  }
}

export class StepMounts {
  /** In the runtime's words. */
  readonly mounts: ResolvedMount[] = [];
  /** Detached mounts by target. */
  readonly sources = new Map<string, number>();
  readonly outputs: MountOutput[] = [];
  /** NAME=value. */
  readonly env: string[] = [];
  /** By way of a directory that another step had at the same time, a descriptor of this step's files may have got to it. */
  hasLeak = false;
  readonly #parts: ExecParts;
  readonly #input: StepMountsInput;
  readonly #release: (() => void | Promise<void>)[] = [];
  readonly #secrets: SecretMount[] = [];
  readonly #relays: SshRelay[] = [];
  readonly #roots: StepRoot[] = [];

  constructor(parts: ExecParts, input: StepMountsInput) {
    this.#parts = parts;
    this.#input = input;
  }

  open(mount: ExecMount): Promise<void> | void {
    switch (mount.type) {
      case 'bind':
        return this.#openBind(mount);
      case 'cache':
        return;
      case 'tmpfs':
        return this.#addTmpfs(mount);
      case 'secret':
        this.#secrets.push(mount);
        return;
      case 'ssh':
        return this.#openSsh(mount);
    }
  }

  /** What comes from the client: its secrets, all in one file system of memory. */
  async openFiles(): Promise<void> {
    const { run } = this.#input;
    const { operation } = run.vertex;
    if (operation.kind === 'exec') {
      for (const { name, id, isOptional } of operation.secretEnv) {
        const value = await secretOf(run.client, id, isOptional);
        if (value !== undefined) this.env.push(`${name}=${Buffer.from(value).toString('utf8')}`);
      }
    }
    const found: { mount: SecretMount; bytes: Uint8Array }[] = [];
    for (const mount of this.#secrets) {
      const bytes = await secretOf(run.client, mount.id, mount.isOptional);
      if (bytes !== undefined) found.push({ mount, bytes });
    }
    if (found.length === 0) return;
    const fds = openSecrets(
      this.#parts.paths.staging,
      found.map(({ mount, bytes }) => ({ ...mount, bytes })),
    );
    for (const [n, { mount }] of found.entries()) this.#add(mount.target, fds[n] as number, true);
  }

  /** When nothing runs any more that uses them. Once. */
  async close(): Promise<void> {
    for (const fd of this.sources.values()) closeFd(fd);
    this.sources.clear();
    for (const relay of this.#relays) relay.close();
    for (const step of this.#release.splice(0).reverse()) await step();
  }

  /** Throws the files away that no result was made of. */
  discard(): void {
    for (const root of this.#roots) root[Symbol.dispose]();
    for (const one of this.outputs) if ('unchanged' in one) one.unchanged[Symbol.dispose]();
  }

  async #openBind(mount: BindMount): Promise<void> {
    const { snapshots } = this.#parts;
    const input = mount.input < 0 ? undefined : this.#input.inputs[mount.input];
    if (mount.isReadonly) {
      if (mount.output >= 0) this.outputs.push({ output: mount.output, unchanged: await this.#layersOf(input) });
      this.#add(mount.target, await this.#narrow(this.#view(input), mount.selector), true);
      return;
    }
    if (mount.output < 0 && input?.kind === 'directory') {
      this.#add(mount.target, await this.#narrow(this.#overDirectory(input.path), mount.selector), false);
      return;
    }
    const base = await this.#layersOf(input);
    this.#release.push(() => base[Symbol.dispose]());
    const root = snapshots.openRoot(base.top);
    this.#roots.push(root);
    if (mount.output >= 0) this.outputs.push({ output: mount.output, root, parent: base.top });
    this.#add(mount.target, await this.#narrow(root.mount(), mount.selector), false);
  }

  /** In the order of their keys: two steps that wait for the same ones do not wait for each other. Of one directory a step has one lease. */
  async openCaches(mounts: readonly CacheMount[]): Promise<void> {
    const wanted = mounts.map((mount) => ({ mount, request: this.#cacheRequest(mount) }));
    const leases = new Map<string, CacheMountLease>();
    const sorted = wanted.map((one) => ({ ...one, key: keyOf(one.request) })).sort((a, b) => (a.key < b.key ? -1 : 1));
    for (const { mount, request, key } of sorted) {
      const lease = leases.get(key) ?? (await this.#lease(request));
      leases.set(key, lease);
      const fd = holdTree(lease.directory);
      this.#add(mount.target, fd, mount.isReadonly);
      // It goes from one step to the next: a device in it is nothing that any of them should be able to open.
      mountSetattr(fd, '', AT.EMPTY_PATH, { set: MOUNT_ATTR.NODEV });
    }
  }

  async #lease(request: CacheMountRequest): Promise<CacheMountLease> {
    const { cacheMounts } = this.#parts;
    const { run, signal } = this.#input;
    const take = async (): Promise<CacheMountLease> => {
      const lease = await cacheMounts.take(request, signal);
      this.#release.push(() => {
        this.hasLeak ||= lease.wasShared;
        lease[Symbol.dispose]();
      });
      return lease;
    };
    return cacheMounts.isTaken(request) && run.whileWaiting !== undefined ? run.whileWaiting(take) : take();
  }

  #cacheRequest({ id, sharing, mode, uid, gid, input: n, selector }: CacheMount): CacheMountRequest {
    const { run, inputs } = this.#input;
    const { vertex } = run;
    const [input, edge] = [inputs[n], vertex.inputs[n]];
    const plain = { id, sharing, mode, uid, gid, description: vertex.name };
    if (input === undefined || edge === undefined) return { ...plain, origin: '' };
    return {
      ...plain,
      origin: `${edge.vertex.digest} ${edge.output} ${cleanPath(`/${selector}`)}`,
      openContent: () => this.#narrow(this.#view(input), selector),
    };
  }

  #addTmpfs({ target, sizeBytes }: TmpfsMount): void {
    const tmpfsOptions = ['nosuid', 'mode=1777', ...(sizeBytes > 0 ? [`size=${sizeBytes}`] : [])];
    this.mounts.push({ ...plainMount(target), type: 'tmpfs', tmpfsOptions });
  }

  async #openSsh(mount: SshMount): Promise<void> {
    const { run, runDir } = this.#input;
    const relay = await openSshRelay(run.client, runDir, mount, this.#relays.length);
    if (relay === undefined) return;
    this.#relays.push(relay);
    if (this.#relays.length === 1) this.env.push(`SSH_AUTH_SOCK=${cleanPath(mount.target)}`);
    this.#add(mount.target, relay.hold(), true);
  }

  #add(target: string, fd: number, isReadonly: boolean): void {
    const mount = plainMount(target);
    this.sources.set(mount.target, fd);
    this.mounts.push({ ...mount, readonly: isReadonly });
  }

  /** Of a directory or nothing it is made. */
  async #layersOf(input: Result | undefined): Promise<LayersResult> {
    return asLayers(this.#parts, input);
  }

  #view(input: Result | undefined): number {
    if (input?.kind === 'directory') return holdTree(input.path);
    return input?.top === undefined ? holdTree(this.#newDirectory('empty')) : this.#parts.snapshots.view(input.top);
  }

  /** Writes are lost. */
  #overDirectory(path: string): number {
    const aside = this.#newDirectory('over');
    const upper = join(aside, 'upper');
    mkdirSync(upper);
    // By its descriptor: a part of a checkout has a longer path than the kernel takes for a layer.
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const { mode, uid, gid } = fstatSync(fd);
      chownSync(upper, uid, gid);
      chmodSync(upper, mode & 0o7777);
      return mountVolatile({ lower: [`/proc/self/fd/${fd}`], upper, aside });
    } finally {
      closeSync(fd);
    }
  }

  /** Beside the root's snapshot: it goes with it. */
  #newDirectory(purpose: string): string {
    const path = join(this.#parts.paths.snapshots, this.#input.id, `${purpose}-${randomBytes(4).toString('hex')}`);
    mkdirSync(path, { mode: 0o755 });
    return path;
  }

  /** The part of a mount that a selector names; the fd is taken over. Links are followed inside of it. */
  async #narrow(fd: number, selector: string): Promise<number> {
    const path = cleanPath(`/${selector}`);
    if (path === '/') return fd;
    try {
      const place = { kind: 'tree', rootFd: fd, mounts: [], isPlain: true } as const;
      return await this.#parts.jail.run<'clone-mount'>({ do: 'clone-mount', place, path }, [fd]);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
      throw new EngineError('not-found', `${JSON.stringify(path)}: not found`, { cause: error });
    }
  }
}

/** The layers of an input as a hold of the caller's own; of a directory they are made. */
export async function asLayers(
  { layers, jail }: Pick<ExecParts, 'layers' | 'jail'>,
  input: Result | undefined,
): Promise<LayersResult> {
  if (input === undefined) return layersResult(layers, undefined);
  if (input.kind === 'layers') return input.again();
  const { path } = input;
  const made = await layers.make(undefined, (directory) => copyAsLayer(jail, path, directory));
  return layersResult(layers, made);
}

export function plainMount(target: string): ResolvedMount {
  return {
    type: 'bind',
    source: '',
    target: targetOf(target),
    readonly: false,
    recursive: false,
    recursiveReadonly: false,
    propagation: 'rprivate',
    mode: '',
    createSource: false,
    tmpfsOptions: [],
  };
}

/** Clean. Throws 'invalid' for what no container may have there, and for what is too deep to be taken away again. */
function targetOf(target: string): string {
  const clean = checkTarget(target, '');
  if (clean.split('/').length > maxPlaceDepth)
    throw new EngineError('invalid', `invalid mount path: '${clean}' has more than ${maxPlaceDepth} parts`);
  return clean;
}

/** Of several on one target the last is the one that is seen. */
function lastOfEach(mounts: readonly ExecMount[]): ExecMount[] {
  return [...new Map(mounts.map((mount) => [cleanPath(mount.target), mount])).values()];
}
