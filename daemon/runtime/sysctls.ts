// --sysctl: only what belongs to a namespace of the container's own, so that no container can turn a knob of the host. The path below
// /proc/sys is checked here and resolved by the launcher on a procfs of its own, without following links.
import { EngineError } from '../errors/engine-error.ts';

const IPC_KEYS: ReadonlySet<string> = new Set(
  ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'].map(
    (name) => `kernel.${name}`,
  ),
);
const MAX_SYSCTLS = 256;
const MAX_VALUE_BYTES = 4096;

/** What Docker sets in a network namespace of the container's own: any user may ping and listen on low ports. */
const NETWORK_DEFAULTS: ReadonlyMap<string, string> = new Map([
  ['net.ipv4.ip_unprivileged_port_start', '0'],
  ['net.ipv4.ping_group_range', '0 2147483647'],
]);

export interface SysctlNamespaces {
  /** The namespace is not the host's. */
  network: boolean;
  ipc: boolean;
  uts: boolean;
  /** The network namespace is new, and so the engine's to prepare. */
  ownNetwork: boolean;
}

/** Sysctls of the spec, defaults included. Throws 400 for a key outside the container's namespaces. */
export function resolveSysctls(
  sysctls: Readonly<Record<string, string>>,
  namespaces: SysctlNamespaces,
): Map<string, string> {
  const result = new Map<string, string>(namespaces.ownNetwork ? NETWORK_DEFAULTS : []);
  const asked = Object.entries(sysctls);
  if (asked.length > MAX_SYSCTLS) throw new EngineError('invalid', `more than ${MAX_SYSCTLS} sysctls`);
  for (const [key, value] of asked) {
    const name = sysctlPath(key).replaceAll('/', '.');
    checkNamespace(key, name, namespaces);
    if (value.includes('\0') || Buffer.byteLength(value) > MAX_VALUE_BYTES) {
      throw new EngineError('invalid', `sysctl "${key}": the value is too long or contains a NUL character`);
    }
    result.set(key, value);
  }
  return result;
}

/** True for a value that the engine sets unasked: a kernel without that knob is no error. */
export function isDefaultSysctl(key: string, value: string): boolean {
  return NETWORK_DEFAULTS.get(key) === value;
}

/**
 * `net.ipv4.conf.eth0/1.forwarding` to `net/ipv4/conf/eth0.1/forwarding`: as in sysctl(8), the first separator says which of the two
 * separates and which belongs to a name.
 */
export function sysctlPath(key: string): string {
  const first = /[./]/.exec(key)?.[0];
  const path = first === '.' ? key.replace(/[./]/g, (char) => (char === '.' ? '/' : '.')) : key;
  const parts = path.split('/');
  if (!/^[\w./:@+-]{1,256}$/.test(key) || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw new EngineError('invalid', `invalid sysctl "${key}": expected a name such as net.ipv4.ip_forward`);
  }
  return path;
}

function checkNamespace(key: string, name: string, namespaces: SysctlNamespaces): void {
  const refuse = (what: string) => new EngineError('invalid', `sysctl "${key}" ${what}`);
  if (name.startsWith('net.')) {
    if (!namespaces.network) throw refuse('is not allowed in the host network namespace');
  } else if (IPC_KEYS.has(name) || name.startsWith('fs.mqueue.')) {
    if (!namespaces.ipc) throw refuse('is not allowed in the host ipc namespace');
  } else if (name === 'kernel.domainname') {
    if (!namespaces.uts) throw refuse('is not allowed in the host uts namespace');
  } else if (name === 'kernel.hostname') {
    throw refuse('conflicts with the hostname of the container: use --hostname');
  } else {
    throw refuse('is not in a separate kernel namespace: it would change the host');
  }
}
