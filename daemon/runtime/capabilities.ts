// Capabilities: their names and numbers (capabilities(7)), Docker's default set, and what --cap-add, --cap-drop and --privileged make
// of it. Inheritable and ambient sets are always empty: with them a file's capabilities would let a user rise (CVE-2022-24769).
import { CAPABILITIES } from '../../native-bindings/capabilities.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { ContainerSpec } from '../spec/container-spec.ts';
import type { OciCapabilities } from './oci-spec.ts';

/** In the order of their numbers, from 0. */
export const CAPABILITY_NAMES: readonly string[] = CAPABILITIES;

const NUMBERS: ReadonlyMap<string, number> = new Map(CAPABILITY_NAMES.map((name, number) => [name, number]));

/** Docker's default set. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** Names (with CAP_, in the order of their numbers) of the bits of a mask. */
export function capabilityNames(mask: bigint): string[] {
  return CAPABILITY_NAMES.filter((_, number) => (mask >> BigInt(number)) & 1n);
}

/** Throws a RangeError for a name that is not in the table: validate first. */
export function capabilityMask(names: readonly string[]): bigint {
  let mask = 0n;
  for (const name of names) {
    const number = NUMBERS.get(name);
    if (number === undefined) throw new RangeError(`unknown capability ${name}`);
    mask |= 1n << BigInt(number);
  }
  return mask;
}

/**
 * What a container may hold, in Docker's order of precedence. `available` is what the engine itself can hand on. Throws 'invalid' in Docker's
 * words for one to add that is not among them.
 */
export function effectiveCapabilities(
  { isPrivileged, capabilities }: Pick<ContainerSpec['security'], 'isPrivileged' | 'capabilities'>,
  available: bigint,
): string[] {
  const names = capabilityNames(available);
  if (isPrivileged) return names;
  const { add, drop } = capabilities;
  for (const name of add) if (name !== 'ALL' && !names.includes(name)) throw unavailable(name);
  let wanted: Set<string>;
  if (add.includes('ALL')) wanted = new Set(CAPABILITY_NAMES.filter((name) => !drop.includes(name)));
  else if (drop.includes('ALL')) wanted = new Set(add);
  else wanted = new Set([...DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name)), ...add]);
  return names.filter((name) => wanted.has(name));
}

function unavailable(name: string): EngineError {
  return new EngineError(
    'invalid',
    `invalid CapAdd: capability not supported by your kernel or not available in the current environment: "${name}"`,
  );
}

export function capabilitySets(names: readonly string[]): OciCapabilities {
  return { bounding: [...names], effective: [...names], permitted: [...names], inheritable: [], ambient: [] };
}
