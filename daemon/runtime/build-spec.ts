// From a container's spec to the OCI's: what this run of it is, in plain JSON. Pure, except that --device and --privileged
// read the host's /dev. Nothing here decides in which order or with which calls it is made.
import { EngineError } from '../errors/engine-error.ts';
import type { ContainerSpec } from '../spec/container-spec.ts';
import { capabilitySets, effectiveCapabilities } from './capabilities.ts';
import type { SpecInput } from './container-input.ts';
import { DEFAULT_DEVICES, hostDevices, resolveDevices } from './devices.ts';
import { environment } from './environment.ts';
import type { HostFacts } from './host-facts.ts';
import { specNamespaces } from './namespaces.ts';
import type { OciDevice, OciProcess, OciSeccomp, OciSpec } from './oci-spec.ts';
import { resolveRlimits } from './rlimits.ts';
import { DEFAULT_PROFILE, resolveProfile } from './seccomp/seccomp-profile.ts';
import { specMounts } from './spec-mounts.ts';
import { resolveSysctls } from './sysctls.ts';

export const OCI_VERSION = '1.2.0';

/** Throws EngineError for what checkOnHost refuses as well; a container that was created is expected to pass. */
export function buildSpec(input: SpecInput): OciSpec {
  const { container, namespaces, facts } = input;
  const { security } = container;
  const sysctls = resolveSysctls(container.sysctls, {
    network: namespaces.network !== 'host',
    ipc: namespaces.ipc !== 'host',
    uts: namespaces.uts !== 'host',
    ownNetwork: namespaces.network === 'private' || (namespaces.network !== 'host' && 'fd' in namespaces.network),
  });
  const process = specProcess(input);
  const seccomp = specSeccomp(security, facts, process.capabilities?.bounding ?? []);
  const ownUts = namespaces.uts === 'private';
  const { hostname, domainname, annotations } = container;
  return {
    ociVersion: OCI_VERSION,
    process,
    root: { path: 'rootfs', readonly: container.isRootReadonly },
    ...(ownUts && hostname !== '' ? { hostname } : {}),
    ...(ownUts && domainname !== '' ? { domainname } : {}),
    mounts: specMounts(input),
    ...(Object.keys(annotations).length > 0 ? { annotations: { ...annotations } } : {}),
    linux: {
      namespaces: specNamespaces(namespaces, facts.timeNamespaces),
      devices: specDevices(container),
      cgroupsPath: input.cgroupPath,
      sysctl: Object.fromEntries(sysctls),
      rootfsPropagation: 'rprivate',
      maskedPaths: [...security.maskedPaths],
      readonlyPaths: [...security.readonlyPaths],
      ...(seccomp ? { seccomp } : {}),
    },
  };
}

function specProcess({ container, linkEnv = [], user, facts }: SpecInput): OciProcess {
  const { process, security, hostname } = container;
  const { args, env, workingDir, hasTerminal, consoleSize } = process;
  if (args.length === 0) throw new EngineError('invalid', 'no command specified');
  return {
    terminal: hasTerminal,
    ...(hasTerminal && consoleSize ? { consoleSize: { ...consoleSize } } : {}),
    user: { uid: user.uid, gid: user.gid, umask: 0o022, additionalGids: [...user.additionalGids] },
    args: [...args],
    env: environment({ hostname, tty: hasTerminal, env: [...linkEnv, ...env], home: user.home }),
    cwd: workingDir === '' ? '/' : workingDir,
    capabilities: capabilitySets(effectiveCapabilities(security, facts.capabilities)),
    rlimits: resolveRlimits(process.rlimits, facts).rlimits,
    noNewPrivileges: security.noNewPrivileges,
    oomScoreAdj: process.oomScoreAdj,
  };
}

/** undefined: no filter. A privileged container has none unless one is asked for. */
export function specSeccomp(
  { seccomp, isPrivileged }: ContainerSpec['security'],
  facts: HostFacts,
  capabilities: readonly string[],
): OciSeccomp | undefined {
  if (seccomp.kind === 'unconfined' || (seccomp.kind === 'default' && isPrivileged)) return undefined;
  if (!facts.seccomp) {
    if (seccomp.kind === 'default') return undefined;
    throw new EngineError('invalid', 'seccomp is not enabled in your kernel, cannot run a custom seccomp profile');
  }
  const profile = seccomp.kind === 'profile' ? seccomp.profile : DEFAULT_PROFILE;
  return resolveProfile(profile, { capabilities, arch: facts.arch, kernel: facts.kernel });
}

/** Later devices replace earlier ones of the same path. */
function specDevices({ security, devices: asked }: ContainerSpec): OciDevice[] {
  const devices = new Map<string, OciDevice>();
  const add = (list: readonly OciDevice[]) => {
    for (const { path, type, major, minor, fileMode, uid, gid } of list) {
      devices.set(path, { path, type, major, minor, fileMode, uid, gid });
    }
  };
  add(DEFAULT_DEVICES);
  if (security.isPrivileged) add(hostDevices());
  add(resolveDevices(asked.mappings));
  return [...devices.values()];
}
