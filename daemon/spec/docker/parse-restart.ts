// Whether and when a container is started again: HostConfig.RestartPolicy, and the field of our own beside it.
import type { HostConfig } from '../../docker-types/host-config.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { RestartPolicy } from '../container-spec.ts';

/** For clients that cannot send the field: `docker run --annotation`. Labels will not do, as images have them too. */
const annotation = 'io.tsdocker.restart-unhealthy';

/** Throws 'invalid' in docker's words. */
export function parseRestartPolicy(policy: HostConfig['RestartPolicy']): RestartPolicy {
  const name = policy?.Name || 'no';
  const maxRetries = policy?.MaximumRetryCount ?? 0;
  if (name !== 'no' && name !== 'always' && name !== 'unless-stopped' && name !== 'on-failure') {
    throw new EngineError(
      'invalid',
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (maxRetries < 0) {
    throw new EngineError('invalid', 'invalid restart policy: maximum retry count cannot be negative');
  }
  if (name === 'on-failure') return { kind: name, maxRetries };
  if (maxRetries > 0) {
    throw new EngineError('invalid', "invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  return { kind: name };
}

export function restartsUnhealthy({ RestartUnhealthy, Annotations }: HostConfig): boolean {
  if (typeof RestartUnhealthy === 'boolean') return RestartUnhealthy;
  return Annotations !== null && Annotations !== undefined && Object.hasOwn(Annotations, annotation)
    ? Annotations[annotation] === 'true'
    : false;
}
