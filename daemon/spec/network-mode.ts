// HostConfig.NetworkMode: what it can say.
import type { HostConfig } from '../docker-types/host-config.ts';
import { EngineError } from '../errors/engine-error.ts';

export type NetworkMode =
  /** A namespace of its own with nothing but loopback. */
  | { kind: 'none' }
  /** The default bridge. */
  | { kind: 'bridge' }
  | { kind: 'host' }
  | { kind: 'container'; ref: string }
  /** A network that somebody made: its name, id, or the beginning of its id. */
  | { kind: 'network'; ref: string };

export function parseNetworkMode(text: string): NetworkMode {
  if (text === 'none' || text === 'host') return { kind: text };
  if (text === '' || text === 'default' || text === 'bridge') return { kind: 'bridge' };
  if (text === 'container' || text.startsWith('container:')) {
    const ref = text.slice('container:'.length);
    if (ref === '') {
      throw new EngineError('invalid', 'invalid network mode: invalid container format container:<name|id>');
    }
    return { kind: 'container', ref };
  }
  return { kind: 'network', ref: text };
}

/** What a container has: with Config.NetworkDisabled nothing but loopback, whatever its mode says. */
export function networkModeOf(container: {
  readonly config: { readonly NetworkDisabled?: boolean };
  readonly hostConfig: Pick<HostConfig, 'NetworkMode'>;
}): NetworkMode {
  return container.config.NetworkDisabled ? { kind: 'none' } : parseNetworkMode(container.hostConfig.NetworkMode ?? '');
}

/** The name under which the network of a mode stands in EndpointsConfig; undefined when the mode is another container's. */
export function networkOfMode(mode: NetworkMode): string | undefined {
  if (mode.kind === 'container') return undefined;
  return mode.kind === 'network' ? mode.ref : mode.kind;
}
