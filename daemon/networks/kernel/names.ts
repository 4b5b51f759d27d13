// Names of the engine's objects in the kernel, which say whose they are: to a reader, and to the engine when it cleans up. Pure.
import { createHash } from 'node:crypto';

export interface EngineNames {
  /** Of the nf_tables table. */
  readonly table: string;
  /** What all aliases of this engine's interfaces begin with. */
  readonly aliasStart: string;
  readonly vethStart: string;
  /** The host's end of an endpoint's pair: at most 15 bytes. */
  veth(endpointId: string): string;
  vethAlias(containerId: string, endpointId: string): string;
  bridgeAlias(networkId: string): string;
}

export function engineNames(engineId: string): EngineNames {
  const tag = createHash('sha256').update(engineId).digest('hex').slice(0, 4);
  const aliasStart = `tsdocker ${engineId} `;
  const vethStart = `ts${tag}-`;
  return {
    table: `tsdocker-${tag}${createHash('sha256').update(engineId).digest('hex').slice(4, 12)}`,
    aliasStart,
    vethStart,
    veth: (endpointId) => `${vethStart}${endpointId.slice(0, 8)}`,
    vethAlias: (containerId, endpointId) => `${aliasStart}container ${containerId} endpoint ${endpointId}`,
    bridgeAlias: (networkId) => `${aliasStart}network ${networkId}`,
  };
}

/** The MAC of a bridge: from its network, so that neighbours of the host see the same after it was made again. Locally administered. */
export function bridgeMac(networkId: string): string {
  const digest = createHash('sha256').update(networkId).digest();
  return ['02', '42', ...[...digest.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}
