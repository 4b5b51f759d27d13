// --ulimit: names and rules as Docker has them. Limits are what the process asks for; an engine without CAP_SYS_RESOURCE cannot raise
// its own hard limits, so it gives what it may and says so.
import { RLIMIT, type RlimitName } from '../../native-bindings/capabilities.ts';
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { HostFacts } from './host-facts.ts';
import type { OciRlimit } from './oci-spec.ts';

const CAP_SYS_RESOURCE = 1n << 24n;
const MAX_ULIMITS = 64;

/** Pure. Throws 400 for an unknown name, a repeated one, or a soft limit above the hard one. */
export function resolveUlimits(
  hostConfig: HostConfig,
  facts: Pick<HostFacts, 'capabilities' | 'limits'>,
): { rlimits: OciRlimit[]; warnings: string[] } {
  const ulimits = hostConfig.Ulimits ?? [];
  if (ulimits.length > MAX_ULIMITS) throw new EngineError('invalid', `more than ${MAX_ULIMITS} ulimits`);
  const rlimits = new Map<string, OciRlimit>();
  const warnings: string[] = [];
  const mayRaise = (facts.capabilities & CAP_SYS_RESOURCE) !== 0n;
  for (const { Name, Soft, Hard } of ulimits) {
    const name = Name.toLowerCase();
    if (rlimitNumber(name) === undefined || name === 'as') {
      throw new EngineError('invalid', `invalid ulimit type: ${Name}`);
    }
    if (Soft < -1 || Hard < -1)
      throw new EngineError('invalid', `ulimit ${name}: ${Soft}:${Hard} must not be below -1`);
    if (exceeds(Soft, Hard)) {
      throw new EngineError('invalid', `ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
    }
    const type = `RLIMIT_${name.toUpperCase()}`;
    const own = facts.limits.get(type);
    let [soft, hard] = [Soft, Hard];
    if (!mayRaise && own !== undefined && exceeds(hard, own.hard)) {
      warnings.push(
        `ulimit ${name}: hard limit ${show(hard)} is above this host's ${show(own.hard)} and the engine lacks CAP_SYS_RESOURCE to raise it: ${show(own.hard)} is used`,
      );
      hard = own.hard;
      if (exceeds(soft, hard)) soft = hard;
    }
    rlimits.set(type, { type, soft, hard });
  }
  return { rlimits: [...rlimits.values()], warnings };
}

/** The kernel's number for `nofile`; undefined for a name that it does not have. */
export function rlimitNumber(name: string): number | undefined {
  return Object.hasOwn(RLIMIT, name) ? RLIMIT[name as RlimitName] : undefined;
}

function exceeds(a: number, b: number): boolean {
  if (b === -1) return false;
  return a === -1 || a > b;
}

function show(limit: number): string {
  return limit === -1 ? 'unlimited' : String(limit);
}
