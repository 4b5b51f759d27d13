// Whether a container is to be restarted when it turns unhealthy. Pure.
import type { HostConfig } from '../../docker-types/host-config.ts';

/** For clients that cannot send the field: `docker run --annotation`. Labels will not do, as images have them too. */
const annotation = 'io.tsdocker.restart-unhealthy';

export function restartsUnhealthy({ RestartUnhealthy, Annotations }: HostConfig): boolean {
  if (typeof RestartUnhealthy === 'boolean') return RestartUnhealthy;
  return Annotations !== null && Annotations !== undefined && Object.hasOwn(Annotations, annotation)
    ? Annotations[annotation] === 'true'
    : false;
}
