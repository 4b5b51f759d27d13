// Capabilities: their names and numbers (capabilities(7)), Docker's default set, and what --cap-add, --cap-drop and --privileged make
// of it. Inheritable and ambient sets are always empty: with them a file's capabilities would let a user rise (CVE-2022-24769).
import { CAPABILITIES } from '../../native-bindings/capabilities.ts';
import { EngineError } from '../errors/engine-error.ts';
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

export interface CapabilityRequest {
  add: readonly string[];
  drop: readonly string[];
  privileged: boolean;
}

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

/** `chown`, `CAP_CHOWN` and `all` in one spelling. Throws 400 in Docker's words for a name nobody knows or this host lacks. */
export function normaliseCapability(name: string, available: bigint, field: 'CapAdd' | 'CapDrop'): string {
  const upper = name.toUpperCase();
  if (upper === 'ALL') return 'ALL';
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  const number = NUMBERS.get(full);
  if (number === undefined) throw new EngineError('invalid', `invalid ${field}: unknown capability: "${full}"`);
  if (field === 'CapAdd' && !((available >> BigInt(number)) & 1n)) {
    throw new EngineError(
      'invalid',
      `invalid CapAdd: capability not supported by your kernel or not available in the current environment: "${full}"`,
    );
  }
  return full;
}

/** What a container may hold, in Docker's order of precedence. `available` is what the engine itself can hand on. */
export function effectiveCapabilities(request: CapabilityRequest, available: bigint): string[] {
  if (request.privileged) return capabilityNames(available);
  const add = new Set(request.add.map((name) => normaliseCapability(name, available, 'CapAdd')));
  const drop = new Set(request.drop.map((name) => normaliseCapability(name, available, 'CapDrop')));
  let wanted: Set<string>;
  if (add.has('ALL')) wanted = new Set(CAPABILITY_NAMES.filter((name) => !drop.has(name)));
  else if (drop.has('ALL')) wanted = add;
  else wanted = new Set([...DEFAULT_CAPABILITIES.filter((name) => !drop.has(name)), ...add]);
  return capabilityNames(available).filter((name) => wanted.has(name));
}

export function capabilitySets(names: readonly string[]): OciCapabilities {
  return { bounding: [...names], effective: [...names], permitted: [...names], inheritable: [], ambient: [] };
}
