// What a container may: --cap-add and --cap-drop, --ulimit, by name.
import { CAPABILITIES, RLIMIT } from '../../../native-bindings/capabilities.ts';
import type { HostConfig } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { Rlimit } from '../container-spec.ts';
import { exceeds } from '../rlimit-order.ts';

const MAX_ULIMITS = 64;
const CAPABILITY_NAMES: ReadonlySet<string> = new Set(CAPABILITIES);

/** `chown`, `CAP_CHOWN` and `all` in one spelling. Throws 'invalid' in Docker's words for a name nobody knows. */
export function parseCapability(name: string, field: 'CapAdd' | 'CapDrop'): string {
  const upper = name.toUpperCase();
  if (upper === 'ALL') return 'ALL';
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!CAPABILITY_NAMES.has(full)) {
    throw new EngineError('invalid', `invalid ${field}: unknown capability: "${full}"`);
  }
  return full;
}

/** Of several with one name the last counts. Throws 'invalid' for an unknown name, or a soft limit above the hard one. */
export function parseUlimits(ulimits: HostConfig['Ulimits']): Rlimit[] {
  if (ulimits && ulimits.length > MAX_ULIMITS) throw new EngineError('invalid', `more than ${MAX_ULIMITS} ulimits`);
  const byName = new Map<string, Rlimit>();
  for (const { Name, Soft: soft, Hard: hard } of ulimits ?? []) {
    const name = Name.toLowerCase();
    if (!Object.hasOwn(RLIMIT, name) || name === 'as') {
      throw new EngineError('invalid', `invalid ulimit type: ${Name}`);
    }
    if (soft < -1 || hard < -1)
      throw new EngineError('invalid', `ulimit ${name}: ${soft}:${hard} must not be below -1`);
    if (exceeds(soft, hard)) {
      throw new EngineError('invalid', `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    }
    byName.set(name, { name, soft, hard });
  }
  return [...byName.values()];
}
