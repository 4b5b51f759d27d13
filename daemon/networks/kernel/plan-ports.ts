// Which sockets a request for published ports stands for, and docker's words for what is taken. Pure.
import { isIP } from 'node:net';
import { EngineError } from '../../errors/engine-error.ts';
import { familyOf } from '../../protocols/addresses/address-bytes.ts';
import type { PortRequest } from '../../spec/ports.ts';
import type { PublishedPort, PublishRequest } from './published-port.ts';

/** Where a request is bound: all of these have the same host port. */
export interface PortTarget {
  hostIp: string;
  containerIp: string;
}

/** No address is all of both families; the container's address is of the same family where it has one. */
export function portTargets(request: PublishRequest, port: PortRequest, hasHostIpv6: boolean): PortTarget[] {
  const { ipv4, ipv6 } = request;
  const hostIps = port.hostIp === '' ? (hasHostIpv6 ? ['0.0.0.0', '::'] : ['0.0.0.0']) : [plainAddress(port.hostIp)];
  return hostIps.map((hostIp) => {
    const containerIp = familyOf(hostIp) === 6 ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6);
    if (containerIp === undefined) {
      throw programmingError(request, `no address to lead port ${port.containerPort}/${port.protocol} to`);
    }
    return { hostIp, containerIp };
  });
}

function plainAddress(text: string): string {
  const address = text.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) === 0) throw new EngineError('invalid', `invalid IP address: ${text}`);
  return address;
}

/** Whether two could not both be had: the same port on an address that is the other's as well. */
export function isSamePort(
  a: Pick<PublishedPort, 'protocol' | 'hostIp' | 'hostPort'>,
  b: Pick<PublishedPort, 'protocol' | 'hostIp' | 'hostPort'>,
): boolean {
  if (a.protocol !== b.protocol || a.hostPort !== b.hostPort || familyOf(a.hostIp) !== familyOf(b.hostIp)) return false;
  return a.hostIp === b.hostIp || isAnyAddress(a.hostIp) || isAnyAddress(b.hostIp);
}

export function isAnyAddress(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

export function portKey({ protocol, hostIp, hostPort }: PublishedPort): string {
  return `${protocol} ${hostIp} ${hostPort}`;
}

/** "0.0.0.0:80", "[::]:80". */
export function addressAndPort(address: string, port: number): string {
  return familyOf(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

export function programmingError(request: PublishRequest, why: string): EngineError {
  const endpoint = `${request.containerName} (${request.endpointId})`;
  const message = `driver failed programming external connectivity on endpoint ${endpoint}: ${why}`;
  return new EngineError('system', message);
}
