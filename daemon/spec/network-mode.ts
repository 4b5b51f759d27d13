// What network a container has: HostConfig.NetworkMode.
import { EngineError } from '../errors/engine-error.ts';

export type NetworkMode =
  /** A namespace of its own with nothing but loopback. */
  | { readonly kind: 'none' }
  /** The default bridge. */
  | { readonly kind: 'bridge' }
  | { readonly kind: 'host' }
  | { readonly kind: 'container'; readonly ref: string }
  /** A network that somebody made: its name, id, or the beginning of its id. */
  | { readonly kind: 'network'; readonly ref: string };

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

/** The name under which the network of a mode stands in EndpointsConfig; undefined when the mode is another container's. */
export function networkOfMode(mode: NetworkMode): string | undefined {
  if (mode.kind === 'container') return undefined;
  return mode.kind === 'network' ? mode.ref : mode.kind;
}
