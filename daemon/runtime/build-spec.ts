// From a container's record to its OCI runtime spec: what the container is, in plain JSON. Pure, except that --device and --privileged
// read the host's /dev. Nothing here decides in which order or with which calls it is made.
import { EngineError } from '../errors/engine-error.ts';
import { securityOptions } from '../spec/security-options.ts';
import { capabilitySets, effectiveCapabilities } from './capabilities.ts';
import type { SpecInput } from './container-input.ts';
import { DEFAULT_DEVICES, hostDevices, resolveDevices } from './devices.ts';
import { environment } from './environment.ts';
import { systemPaths } from './masked-paths.ts';
import { specNamespaces } from './namespaces.ts';
import type { OciDevice, OciProcess, OciSeccomp, OciSpec } from './oci-spec.ts';
import { resolveUlimits } from './rlimits.ts';
import { DEFAULT_PROFILE, resolveProfile } from './seccomp-profile.ts';
import { specMounts } from './spec-mounts.ts';
import { resolveSysctls } from './sysctls.ts';

export const OCI_VERSION = '1.2.0';

/** Throws EngineError for what validateHostConfig refuses as well; a record that was created is expected to pass. */
export function buildSpec(input: SpecInput): OciSpec {
  const { config, hostConfig, namespaces, facts } = input;
  const paths = systemPaths(hostConfig);
  const sysctls = resolveSysctls(hostConfig, {
    network: namespaces.network !== 'host',
    ipc: namespaces.ipc !== 'host',
    uts: namespaces.uts !== 'host',
    ownNetwork: namespaces.network === 'private' || (namespaces.network !== 'host' && 'fd' in namespaces.network),
  });
  const process = specProcess(input);
  const seccomp = specSeccomp(input, process.capabilities?.bounding ?? []);
  const ownUts = namespaces.uts === 'private';
  return {
    ociVersion: OCI_VERSION,
    process,
    root: { path: 'rootfs', readonly: hostConfig.ReadonlyRootfs === true },
    ...(ownUts && config.Hostname !== '' ? { hostname: config.Hostname } : {}),
    ...(ownUts && config.Domainname !== '' ? { domainname: config.Domainname } : {}),
    mounts: specMounts(input),
    ...(hostConfig.Annotations ? { annotations: { ...hostConfig.Annotations } } : {}),
    linux: {
      namespaces: specNamespaces(namespaces, facts.timeNamespaces),
      devices: specDevices(input),
      cgroupsPath: input.cgroupPath,
      sysctl: Object.fromEntries(sysctls),
      rootfsPropagation: 'rprivate',
      maskedPaths: [...paths.masked],
      readonlyPaths: [...paths.readonly],
      ...(seccomp ? { seccomp } : {}),
    },
  };
}

function specProcess({ config, hostConfig, user, facts }: SpecInput): OciProcess {
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length === 0) throw new EngineError('invalid', 'no command specified');
  const [height = 0, width = 0] = hostConfig.ConsoleSize ?? [];
  const capabilities = effectiveCapabilities(
    {
      add: hostConfig.CapAdd ?? [],
      drop: hostConfig.CapDrop ?? [],
      privileged: hostConfig.Privileged === true,
    },
    facts.capabilities,
  );
  return {
    terminal: config.Tty,
    ...(config.Tty && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    user: { uid: user.uid, gid: user.gid, umask: 0o022, additionalGids: [...user.additionalGids] },
    args,
    env: environment({ hostname: config.Hostname, tty: config.Tty, env: config.Env, home: user.home }),
    cwd: config.WorkingDir === '' ? '/' : config.WorkingDir,
    capabilities: capabilitySets(capabilities),
    rlimits: resolveUlimits(hostConfig, facts).rlimits,
    noNewPrivileges: securityOptions(hostConfig).noNewPrivileges,
    oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
  };
}

/** undefined: no filter. A privileged container has none unless one is asked for. */
export function specSeccomp(
  { hostConfig, facts }: Pick<SpecInput, 'hostConfig' | 'facts'>,
  capabilities: readonly string[],
): OciSeccomp | undefined {
  const { seccomp } = securityOptions(hostConfig);
  if (seccomp === 'unconfined' || (seccomp === undefined && hostConfig.Privileged === true)) return undefined;
  if (!facts.seccomp) {
    if (seccomp === undefined) return undefined;
    throw new EngineError('invalid', 'seccomp is not enabled in your kernel, cannot run a custom seccomp profile');
  }
  return resolveProfile(seccomp ?? DEFAULT_PROFILE, { capabilities, arch: facts.arch, kernel: facts.kernel });
}

/** Later devices replace earlier ones of the same path. */
function specDevices({ hostConfig }: SpecInput): OciDevice[] {
  const devices = new Map<string, OciDevice>();
  const add = (list: readonly OciDevice[]) => {
    for (const { path, type, major, minor, fileMode, uid, gid } of list) {
      devices.set(path, { path, type, major, minor, fileMode, uid, gid });
    }
  };
  add(DEFAULT_DEVICES);
  if (hostConfig.Privileged === true) add(hostDevices());
  add(resolveDevices(hostConfig));
  return [...devices.values()];
}
