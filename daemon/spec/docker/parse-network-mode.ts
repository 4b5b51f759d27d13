// HostConfig.NetworkMode: what it can say.
import { EngineError } from '../../errors/engine-error.ts';
import type { NetworkMode } from '../network-mode.ts';

/** Throws 'invalid' in docker's words. */
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
