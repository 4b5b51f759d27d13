// What a step may ask for beyond what every step has: BuildKit's entitlements, and the network that comes of two wishes. Pure.
import { EngineError } from '../../../errors/engine-error.ts';
import type { NetworkMode } from '../../../spec/network-mode.ts';
import type { ExecOperation } from '../../graph/operation.ts';
import type { Entitlement, ExecSettings } from '../step.ts';

export type StepNetworkMode = Exclude<NetworkMode, { kind: 'container' }>;

/** RUN --network before the build's own. Throws 'invalid' for another container's, and for the host's when it is not allowed. */
export function networkOfStep(operation: Pick<ExecOperation, 'network'>, settings: ExecSettings): StepNetworkMode {
  const asked: NetworkMode = operation.network === 'default' ? settings.network : { kind: operation.network };
  if (asked.kind === 'container') {
    throw new EngineError(
      'invalid',
      `network mode "container:${asked.ref}": a build cannot use another container's network`,
    );
  }
  // Whoever gives the whole build the host's network has allowed it.
  if (asked.kind === 'host' && settings.network.kind !== 'host') checkAllowed('network.host', settings);
  return asked;
}

/** Throws 'forbidden' in BuildKit's words for RUN --security=insecure that is not allowed. */
export function checkSecurity(operation: Pick<ExecOperation, 'security'>, settings: ExecSettings): void {
  if (operation.security === 'insecure') checkAllowed('security.insecure', settings);
}

function checkAllowed(entitlement: Entitlement, { entitlements = [] }: ExecSettings): void {
  if (entitlements.includes(entitlement)) return;
  throw new EngineError('forbidden', `${entitlement} is not allowed`);
}
