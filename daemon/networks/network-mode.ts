// HostConfig.NetworkMode: what it can say, and what is refused until bridges are there.
import { EngineError } from '../errors/engine-error.ts';

export type NetworkMode =
  /** A namespace of its own with nothing but loopback. */
  | { kind: 'none' }
  /** The default: for now a namespace of its own with loopback. */
  | { kind: 'bridge' }
  | { kind: 'host' }
  | { kind: 'container'; ref: string };

export function parseNetworkMode(text: string): NetworkMode {
  if (text === 'none' || text === 'host') return { kind: text };
  if (text === '' || text === 'default' || text === 'bridge') return { kind: 'bridge' };
  if (text.startsWith('container:')) {
    const ref = text.slice('container:'.length);
    if (ref === '') {
      throw new EngineError('invalid', 'invalid network mode: invalid container format container:<name|id>');
    }
    return { kind: 'container', ref };
  }
  throw new EngineError(
    'not-implemented',
    `network "${text}": user-defined networks are not there yet: use none, host, container:<name|id> or the default`,
  );
}
