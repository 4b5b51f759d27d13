// Whether a step can have handed a descriptor of its files to somebody who outlives it. A layer that such a descriptor can write to would change
// under all that stand on it, so the files are copied then, into a directory that nobody ever had. See containers/start/sealed.ts.
import type { ExecOperation } from '../../graph/operation.ts';
import type { PlannedExec } from './exec-spec.ts';

/** Descriptors travel over unix sockets: abstract ones of the host's network, or in a directory that another step has at the same time. */
export function isLeaky(
  { security: mode }: Pick<ExecOperation, 'security'>,
  { network, security }: Pick<PlannedExec, 'network' | 'security'>,
  mounts: { readonly hasLeak: boolean },
): boolean {
  const hasMore =
    mode === 'insecure' ||
    security.seccomp.kind !== 'default' ||
    security.hasOpenSystemPaths ||
    security.hasWritableCgroups;
  return hasMore || network.kind === 'host' || mounts.hasLeak;
}
