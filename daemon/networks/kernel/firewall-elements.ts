// What a bridge and a published port are in the firewall: elements of its sets and maps. Pure.
import { IPPROTO } from '../../../native-bindings/sockets.ts';
import { addressBytes, familyOf } from '../../protocols/addresses/address-bytes.ts';
import { type Element, interfaceKey } from '../../protocols/nftables/nft-messages.ts';
import type { SetName } from './firewall-ruleset.ts';
import type { BridgeRequest } from './network-kernel.ts';
import type { PublishedPort } from './published-port.ts';

export interface SetElement extends Element {
  set: SetName;
}

const PROTOCOL = { tcp: IPPROTO.TCP, udp: IPPROTO.UDP, sctp: IPPROTO.SCTP } as const;

export function bridgeElements(
  bridge: Pick<BridgeRequest, 'name' | 'networkId' | 'isInternal' | 'isIccEnabled' | 'isMasqueraded'>,
): SetElement[] {
  const name = interfaceKey(bridge.name);
  const comment = `network ${bridge.networkId}`;
  const elements: SetElement[] = [
    { set: 'bridges', key: name, comment },
    { set: 'within', key: Buffer.concat([name, name]), comment },
  ];
  if (bridge.isInternal) elements.push({ set: 'internal', key: name, comment });
  if (!bridge.isIccEnabled) elements.push({ set: 'isolated', key: name, comment });
  if (bridge.isMasqueraded) elements.push({ set: 'masqueraded', key: name, comment });
  return elements;
}

/** None when the two addresses are of different families: no rule can translate between them, the port keeper does. */
export function portElements(port: PublishedPort): SetElement[] {
  const family = familyOf(port.containerIp);
  if (familyOf(port.hostIp) !== family) return [];
  const host = addressBytes(port.hostIp);
  const container = addressBytes(port.containerIp);
  const isAny = host.every((byte) => byte === 0);
  const service = Buffer.concat([word(PROTOCOL[port.protocol], true), word(port.hostPort)]);
  const comment = `container ${port.containerId}`;
  return [
    {
      set: family === 4 ? (isAny ? 'anyPorts4' : 'ports4') : isAny ? 'anyPorts6' : 'ports6',
      key: isAny ? service : Buffer.concat([host, service]),
      value: Buffer.concat([container, word(port.containerPort)]),
      comment,
    },
    { set: family === 4 ? 'self4' : 'self6', key: Buffer.concat([container, container]), comment },
  ];
}

/** A field of one or two bytes in its register: from the left, the rest zero. */
function word(value: number, isByte = false): Buffer {
  const bytes = Buffer.alloc(4);
  if (isByte) bytes.writeUInt8(value, 0);
  else bytes.writeUInt16BE(value, 0);
  return bytes;
}
