// --ulimit. Limits are what the process asks for; an engine without CAP_SYS_RESOURCE cannot raise its own hard limits, so it gives what it may
// and says so.
import { RLIMIT, type RlimitName } from '../../native-bindings/capabilities.ts';
import type { Rlimit } from '../spec/container-spec.ts';
import { exceeds } from '../spec/rlimit-order.ts';
import type { HostFacts } from './host-facts.ts';
import type { OciRlimit } from './oci-spec.ts';

const CAP_SYS_RESOURCE = 1n << 24n;
/** Pure. */
export function resolveRlimits(
  asked: readonly Rlimit[],
  facts: Pick<HostFacts, 'capabilities' | 'limits'>,
): { rlimits: OciRlimit[]; warnings: string[] } {
  const warnings: string[] = [];
  const mayRaise = (facts.capabilities & CAP_SYS_RESOURCE) !== 0n;
  const rlimits = asked.map(({ name, ...limit }) => {
    const type = `RLIMIT_${name.toUpperCase()}`;
    const own = facts.limits.get(type);
    let { soft, hard } = limit;
    if (!mayRaise && own !== undefined && exceeds(hard, own.hard)) {
      warnings.push(
        `ulimit ${name}: hard limit ${show(hard)} is above this host's ${show(own.hard)} and the engine lacks CAP_SYS_RESOURCE to raise it: ${show(own.hard)} is used`,
      );
      hard = own.hard;
      if (exceeds(soft, hard)) soft = hard;
    }
    return { type, soft, hard };
  });
  return { rlimits, warnings };
}

/** The kernel's number for `nofile`; undefined for a name that it does not have. */
export function rlimitNumber(name: string): number | undefined {
  return Object.hasOwn(RLIMIT, name) ? RLIMIT[name as RlimitName] : undefined;
}

function show(limit: number): string {
  return limit === -1 ? 'unlimited' : String(limit);
}
