// HostConfig.Binds, Mounts and Tmpfs as one list of mounts: Docker's grammar and messages. What mounts a container needs is decided
// here; the kernel's part is in compile-mounts.ts.
import { mkdirSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import type { ResolvedConfig } from '../api/types/container-config.ts';
import type { HostConfig, Mount } from '../api/types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { ManagedFiles, Propagation, ResolvedMount } from './container-input.ts';
import { isPropagation, parseBindMode, tmpfsOptions } from './mount-modes.ts';

const MAX_MOUNTS = 400;
const MAX_PATH_BYTES = 4095;

/** Below /proc only what lxcfs and its kin provide may be covered: anything else could make the engine's own checks lie. */
const PROC_TARGETS: ReadonlySet<string> = new Set(
  [
    'cpuinfo',
    'diskstats',
    'meminfo',
    'stat',
    'swaps',
    'uptime',
    'loadavg',
    'slabinfo',
    'net/dev',
    'sys/kernel/ns_last_pid',
    'sys/crypto/fips_enabled',
  ].map((name) => `/proc/${name}`),
);

/** Checks sources of --mount on the host, as Docker does at create. Throws 400 in Docker's words, 501 for what needs volumes. */
export function parseMounts(hostConfig: HostConfig, config: ResolvedConfig): ResolvedMount[] {
  const mounts: ResolvedMount[] = [];
  for (const bind of hostConfig.Binds ?? []) mounts.push(parseBind(bind));
  for (const mount of hostConfig.Mounts ?? []) mounts.push(parseMount(mount));
  if (hostConfig.VolumesFrom?.length) throw notYet('--volumes-from');
  if (hostConfig.VolumeDriver) throw notYet(`volume driver "${hostConfig.VolumeDriver}"`);
  for (const [target, options] of Object.entries(hostConfig.Tmpfs ?? {})) {
    const words = options === '' ? [] : options.split(',');
    mounts.push(tmpfs(checkTarget(target, 'tmpfs'), words, options));
  }
  if (mounts.length > MAX_MOUNTS) throw new EngineError('invalid', `more than ${MAX_MOUNTS} mounts`);
  const targets = new Set<string>();
  for (const { target } of mounts) {
    if (targets.has(target)) throw new EngineError('invalid', `Duplicate mount point: ${target}`);
    targets.add(target);
  }
  for (const volume of Object.keys(config.Volumes ?? {})) {
    if (!targets.has(cleanPath(volume))) {
      throw notYet(
        `the volume ${volume} of the image or of -v`,
        `mount something there: --tmpfs ${volume} or -v /dir:${volume}`,
      );
    }
  }
  return mounts;
}

function parseBind(spec: string): ResolvedMount {
  const invalid = (why?: string) =>
    new EngineError('invalid', `invalid volume specification: '${spec}'${why === undefined ? '' : `: ${why}`}`);
  const parts = spec.split(':');
  const [source = '', target = '', mode = ''] = parts;
  if (source === '' || parts.length > 3) throw invalid();
  if (parts.length === 1) throw notYet(`the anonymous volume ${source}`);
  // `/data:ro` is a destination with a mode, which an anonymous volume cannot have.
  if (parts.length === 2 && parseBindMode(target) !== undefined) throw invalid();
  const parsed = parseBindMode(mode);
  if (parsed === undefined) throw new EngineError('invalid', `invalid mode: ${mode}`);
  if (!source.startsWith('/')) {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(source)) {
      throw new EngineError(
        'invalid',
        `create ${source}: "${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
      );
    }
    throw notYet(`the named volume "${source}"`, 'use an absolute host path');
  }
  if (parsed.nocopy) throw new EngineError('invalid', `invalid mode: ${mode}`);
  let clean: string;
  try {
    clean = checkTarget(target, 'bind', source);
  } catch (error) {
    throw error instanceof EngineError && error.code === 'invalid' ? invalid(error.message) : error;
  }
  return bind(source, clean, { ...parsed, mode, createSource: true });
}

interface BindDetails {
  readonly: boolean;
  propagation: Propagation | undefined;
  mode: string;
  createSource: boolean;
  recursive?: boolean;
  recursiveReadonly?: boolean;
}

function bind(source: string, target: string, details: BindDetails): ResolvedMount {
  if (source.includes('\0') || Buffer.byteLength(source) > MAX_PATH_BYTES) {
    throw new EngineError('invalid', `invalid mount path: '${source}' is too long or contains a NUL character`);
  }
  return {
    type: 'bind',
    source: cleanPath(source),
    target,
    recursive: true,
    recursiveReadonly: true,
    tmpfsOptions: [],
    ...details,
    propagation: details.propagation ?? 'rprivate',
  };
}

function tmpfs(target: string, words: readonly string[], mode: string, readonly = false): ResolvedMount {
  return {
    type: 'tmpfs',
    source: '',
    target,
    readonly: readonly || words.includes('ro'),
    recursive: false,
    recursiveReadonly: false,
    propagation: 'rprivate',
    mode,
    createSource: false,
    // On /dev the devices go: nodes that cannot be opened are of no use to anybody.
    tmpfsOptions: tmpfsOptions([...(target === '/dev' ? ['dev'] : []), ...words, ...(readonly ? ['ro'] : [])]),
  };
}

function parseMount(mount: Mount): ResolvedMount {
  const type = mount.Type ?? '';
  const invalid = (why: string) => new EngineError('invalid', `invalid mount config for type "${type}": ${why}`);
  if (!['bind', 'tmpfs', 'volume', 'image', 'npipe', 'cluster'].includes(type)) throw invalid('mount type unknown');
  const extra = (field: keyof Mount & string) => {
    if (mount[field] !== undefined && mount[field] !== null && mount[field] !== '') {
      throw invalid(`field ${field} must not be specified`);
    }
  };
  const checked = (): string => {
    if (!mount.Target) throw invalid('field Target must not be empty');
    try {
      return checkTarget(mount.Target, type === 'tmpfs' ? 'tmpfs' : 'bind', mount.Source);
    } catch (error) {
      throw error instanceof EngineError && error.code === 'invalid' ? invalid(error.message) : error;
    }
  };
  if (type === 'tmpfs') {
    extra('BindOptions');
    extra('VolumeOptions');
    extra('ImageOptions');
    extra('Source');
    return tmpfs(checked(), tmpfsWords(mount), '', mount.ReadOnly === true);
  }
  if (type !== 'bind') throw notYet(`mounts of type "${type}"`, 'use type=bind or type=tmpfs');
  extra('VolumeOptions');
  extra('TmpfsOptions');
  extra('ImageOptions');
  const target = checked();
  const source = mount.Source ?? '';
  if (source === '') throw invalid('field Source must not be empty');
  if (!source.startsWith('/')) throw invalid(`invalid mount path: '${source}' mount path must be absolute`);
  const options = mount.BindOptions ?? {};
  const propagation = options.Propagation || undefined;
  if (propagation !== undefined && !isPropagation(propagation))
    throw invalid(`invalid propagation mode: ${propagation}`);
  if (!options.CreateMountpoint && statOf(source) === undefined) {
    throw invalid(`bind source path does not exist: ${source}`);
  }
  if (options.ReadOnlyForceRecursive && (options.NonRecursive || !mount.ReadOnly)) {
    throw invalid('ReadOnlyForceRecursive needs a read-only, recursive mount');
  }
  return bind(source, target, {
    readonly: mount.ReadOnly === true,
    propagation,
    mode: '',
    createSource: options.CreateMountpoint === true,
    recursive: options.NonRecursive !== true,
    recursiveReadonly: options.NonRecursive !== true && options.ReadOnlyNonRecursive !== true,
  });
}

function tmpfsWords(mount: Mount): string[] {
  const options = mount.TmpfsOptions ?? {};
  const words: string[] = [];
  if (options.SizeBytes) words.push(`size=${options.SizeBytes}`);
  if (options.Mode) words.push(`mode=${options.Mode.toString(8)}`);
  for (const pair of options.Options ?? []) words.push(pair.join('='));
  return words;
}

function checkTarget(target: string, type: 'bind' | 'tmpfs', source = ''): string {
  if (!target.startsWith('/')) {
    throw new EngineError('invalid', `invalid mount path: '${target}' mount path must be absolute`);
  }
  if (target.includes('\0') || Buffer.byteLength(target) > MAX_PATH_BYTES) {
    throw new EngineError('invalid', `invalid mount path: '${target}' is too long or contains a NUL character`);
  }
  const clean = cleanPath(target);
  if (clean === '/') throw new EngineError('invalid', "invalid specification: destination can't be '/'");
  const isProcItself = clean === '/proc' && type === 'bind' && cleanPath(source) === '/proc';
  const isInProc = clean === '/proc' || clean.startsWith('/proc/');
  if (isInProc && !isProcItself && !(type === 'bind' && PROC_TARGETS.has(clean))) {
    throw new EngineError('invalid', `"${clean}" cannot be mounted because it is inside /proc`);
  }
  return clean;
}

/** No `.`, `..`, double or trailing slashes. */
export function cleanPath(text: string): string {
  const clean = path.posix.normalize(text);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

function notYet(what: string, instead?: string): EngineError {
  return new EngineError(
    'not-implemented',
    `${what}: volumes are not there yet${instead === undefined ? '' : `: ${instead}`}`,
  );
}

function statOf(file: string): Stats | undefined {
  return statSync(file, { throwIfNoEntry: false });
}

/** Makes what -v names and is missing, as Docker does: a directory that belongs to root. */
export function createMissingSources(mounts: readonly ResolvedMount[]): void {
  for (const { type, source, createSource } of mounts) {
    if (type !== 'bind' || !createSource) continue;
    try {
      if (statOf(source) === undefined) mkdirSync(source, { recursive: true, mode: 0o755 });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new EngineError('invalid', `error while creating mount source path '${source}': ${why}`, { cause: error });
    }
  }
}

export interface MountPoint {
  path: string;
  kind: 'directory' | 'file';
}

/** Every path that something is mounted on, for the init layer: images need not have them. */
export function mountPoints(mounts: readonly ResolvedMount[], managed: ManagedFiles): MountPoint[] {
  const points: MountPoint[] = ['/dev', '/proc', '/sys'].map((dir) => ({ path: dir, kind: 'directory' }));
  const files: [string, string | undefined][] = [
    ['/etc/hosts', managed.hosts],
    ['/etc/hostname', managed.hostname],
    ['/etc/resolv.conf', managed.resolvConf],
  ];
  const users = new Set(mounts.map(({ target }) => target));
  for (const [file, source] of files)
    if (source !== undefined && !users.has(file)) points.push({ path: file, kind: 'file' });
  for (const { type, source, target } of mounts) {
    if (/^\/(dev|proc|sys)(\/|$)/.test(target)) continue;
    const isFile = type === 'bind' && statOf(source)?.isDirectory() === false;
    points.push({ path: target, kind: isFile ? 'file' : 'directory' });
  }
  return points;
}
