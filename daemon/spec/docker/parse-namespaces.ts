// The namespace words of HostConfig: --pid, --ipc, --uts, --cgroupns, --userns.
import type { HostConfig } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { NamespaceMode, NamespaceModes } from '../container-spec.ts';

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/** Throws 'invalid' in Docker's words. */
export function parseNamespaceModes(hostConfig: HostConfig): NamespaceModes {
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
  return {
    pid: parseMode(hostConfig.PidMode ?? '', 'PID'),
    ipc: {
      ...(ownIpc ? { kind: 'private' } : parseMode(ipc, 'IPC')),
      shmBytes: ipc === 'none' ? 0 : hostConfig.ShmSize || DEFAULT_SHM_BYTES,
      isShareable: ipc === 'shareable' || !ownIpc,
    },
    uts: { kind: uts === 'host' ? 'host' : 'private' },
    ...cgroupMode(cgroup, hostConfig.Privileged === true),
  };
}

function cgroupMode(word: string, isPrivileged: boolean): Pick<NamespaceModes, 'cgroup'> {
  if (word === 'private' || word === 'host') return { cgroup: word };
  return isPrivileged ? { cgroup: 'host' } : {};
}

function parseMode(word: string, name: string): NamespaceMode {
  if (word === '') return { kind: 'private' };
  if (word === 'host') return { kind: 'host' };
  const ref = word.startsWith('container:') ? word.slice('container:'.length) : '';
  if (ref === '') throw new EngineError('invalid', `invalid ${name} mode: ${word}`);
  return { kind: 'container', ref };
}
