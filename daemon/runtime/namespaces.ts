// The namespace words of HostConfig (--pid, --ipc, --uts, --cgroupns, --userns) and the spec's list of namespaces.
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { NamespaceChoice, NamespacePlan } from './container-input.ts';
import type { OciNamespace, OciNamespaceType } from './oci-spec.ts';

/** `ref` of kind 'container' is what the user wrote: a name or id. */
export type NamespaceMode = { kind: 'private' } | { kind: 'host' } | { kind: 'container'; ref: string };

export interface NamespaceModes {
  pid: NamespaceMode;
  /** 'none' is private without /dev/shm; 'shareable' lets other containers join. */
  ipc: NamespaceMode & { devShm: boolean; shareable: boolean };
  uts: NamespaceMode;
  cgroup: 'private' | 'host';
}

/** Throws 400 in Docker's words. `cgroupVersion` decides what no word means: private on 2, host on 1. */
export function parseNamespaceModes(hostConfig: HostConfig, cgroupVersion: 1 | 2): NamespaceModes {
  const userns = hostConfig.UsernsMode ?? '';
  if (userns !== '' && userns !== 'host') throw new EngineError('invalid', `invalid USER mode: ${userns}`);
  const ipc = hostConfig.IpcMode ?? '';
  const uts = hostConfig.UTSMode ?? '';
  const cgroup = hostConfig.CgroupnsMode ?? '';
  if (uts !== '' && uts !== 'host') throw new EngineError('invalid', `invalid UTS mode: ${uts}`);
  if (!['', 'private', 'host'].includes(cgroup)) {
    throw new EngineError('invalid', `invalid cgroup namespace mode: ${cgroup}`);
  }
  const ownIpc = ['', 'private', 'shareable', 'none'].includes(ipc);
  const defaultCgroup = cgroupVersion === 2 && !hostConfig.Privileged ? 'private' : 'host';
  return {
    pid: parseMode(hostConfig.PidMode ?? '', 'PID'),
    ipc: {
      ...(ownIpc ? { kind: 'private' as const } : parseMode(ipc, 'IPC')),
      devShm: ipc !== 'none',
      shareable: ipc === 'shareable',
    },
    uts: { kind: uts === 'host' ? 'host' : 'private' },
    cgroup: cgroup === '' ? defaultCgroup : (cgroup as 'private' | 'host'),
  };
}

function parseMode(word: string, name: string): NamespaceMode {
  if (word === '') return { kind: 'private' };
  if (word === 'host') return { kind: 'host' };
  const ref = word.startsWith('container:') ? word.slice('container:'.length) : '';
  if (ref === '') throw new EngineError('invalid', `invalid ${name} mode: ${word}`);
  return { kind: 'container', ref };
}

/** The spec's list: new namespaces without a path, joined ones with it, the host's left out. */
export function specNamespaces(plan: NamespacePlan, hasTime: boolean): OciNamespace[] {
  const list: OciNamespace[] = [{ type: 'mount' }];
  const add = (type: OciNamespaceType, choice: NamespaceChoice, file: string) => {
    if (choice === 'host') return;
    if (choice === 'private') list.push({ type });
    else if ('pid' in choice) list.push({ type, path: `/proc/${choice.pid}/ns/${file}` });
    else list.push({ type, path: `/proc/self/fd/${choice.fd}` });
  };
  add('network', plan.network, 'net');
  add('uts', plan.uts, 'uts');
  add('pid', plan.pid, 'pid');
  add('ipc', plan.ipc, 'ipc');
  add('cgroup', plan.cgroup, 'cgroup');
  if (hasTime) list.push({ type: 'time' });
  return list;
}
