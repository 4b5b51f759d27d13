// The sockets of published ports: bound on the host, so that the kernel itself says when a port is taken.
import { closeSync, readFileSync } from 'node:fs';
import { describeErrno, isErrno, SystemError } from '../../../native-bindings/errno.ts';
import {
  AF,
  bindSocket,
  boundPort,
  IPPROTO,
  IPV6_V6ONLY,
  listenSocket,
  openSocket,
  SO,
  SOCK,
  SOL,
  setSocketOption,
} from '../../../native-bindings/sockets.ts';
import { familyOf } from '../../protocols/addresses/address-bytes.ts';
import type { PortProtocol, PortRequest } from '../../spec/ports.ts';
import { addressAndPort, isSamePort, type PortTarget, portTargets, programmingError } from './plan-ports.ts';
import type { PublishedPort, PublishRequest } from './published-port.ts';

export interface BoundPort extends Disposable {
  port: PublishedPort;
  fd: number;
}

const BACKLOG = 511;
/** A port of the kernel's choice for one family may be taken in the other. */
const EPHEMERAL_ATTEMPTS = 64;

/**
 * All of the request, or a throw with nothing left. `held` are the ports that the engine has already. A range is gone through from its
 * first port until one is free on every address.
 */
export function bindPorts(request: PublishRequest, held: Iterable<PublishedPort>): BoundPort[] {
  const taken = [...held];
  const bound: BoundPort[] = [];
  try {
    const hasIpv6 = hasHostIpv6();
    for (const port of request.ports) {
      const fresh = bindOne(request, port, portTargets(request, port, hasIpv6), taken);
      bound.push(...fresh);
      taken.push(...fresh.map((entry) => entry.port));
    }
    return bound;
  } catch (error) {
    for (const entry of bound) entry[Symbol.dispose]();
    throw error;
  }
}

/** As it was: for a port that was published before. Throws SystemError. */
export function bindAgain(port: PublishedPort): BoundPort {
  return bindTo(port);
}

function bindOne(
  request: PublishRequest,
  asked: PortRequest,
  targets: readonly PortTarget[],
  taken: readonly PublishedPort[],
): BoundPort[] {
  const { hostPorts } = asked;
  if (hostPorts === undefined) return bindEphemeral(request, asked, targets);
  for (let hostPort = hostPorts.first; ; hostPort++) {
    const isLast = hostPort >= hostPorts.last;
    const clash = targets.find(({ hostIp }) =>
      taken.some((other) => isSamePort(other, { ...asked, hostIp, hostPort })),
    );
    if (clash !== undefined) {
      if (!isLast) continue;
      const where = addressAndPort(clash.hostIp, hostPort);
      throw programmingError(request, `Bind for ${where} failed: port is already allocated`);
    }
    const result = tryAll(request, asked, targets, hostPort);
    if (Array.isArray(result)) return result;
    if (!isLast && isErrno(result.error, 'EADDRINUSE')) continue;
    throw bindError(request, asked, result.target, hostPort, result.error);
  }
}

function bindEphemeral(request: PublishRequest, asked: PortRequest, targets: readonly PortTarget[]): BoundPort[] {
  for (let attempt = 1; ; attempt++) {
    const result = tryAll(request, asked, targets, 0);
    if (Array.isArray(result)) return result;
    if (attempt >= EPHEMERAL_ATTEMPTS || !isErrno(result.error, 'EADDRINUSE')) {
      throw bindError(request, asked, result.target, 0, result.error);
    }
  }
}

/** On every address at the same port; with port 0 the first decides. */
function tryAll(
  { containerId }: PublishRequest,
  { protocol, containerPort }: PortRequest,
  targets: readonly PortTarget[],
  hostPort: number,
): BoundPort[] | { error: unknown; target: PortTarget } {
  const bound: BoundPort[] = [];
  let port = hostPort;
  for (const target of targets) {
    try {
      const entry = bindTo({ containerId, protocol, containerPort, ...target, hostPort: port });
      port = entry.port.hostPort;
      bound.push(entry);
    } catch (error) {
      for (const entry of bound) entry[Symbol.dispose]();
      return { error, target };
    }
  }
  return bound;
}

function bindTo(port: PublishedPort): BoundPort {
  const fd = openPortSocket(port.protocol, familyOf(port.hostIp));
  try {
    // Connections of before that are in TIME_WAIT are no reason against it. A datagram socket with this could be shared.
    if (port.protocol !== 'udp') setSocketOption(fd, SOL.SOCKET, SO.REUSEADDR, 1);
    bindSocket(fd, { address: port.hostIp, port: port.hostPort });
    if (port.protocol !== 'udp') listenSocket(fd, BACKLOG);
    const hostPort = port.hostPort === 0 ? boundPort(fd) : port.hostPort;
    return { port: { ...port, hostPort }, fd, [Symbol.dispose]: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openPortSocket(protocol: PortProtocol, family: 4 | 6): number {
  const type = protocol === 'udp' ? SOCK.DGRAM : SOCK.STREAM;
  const number = { tcp: IPPROTO.TCP, udp: IPPROTO.UDP, sctp: IPPROTO.SCTP }[protocol];
  const fd = openSocket(family === 6 ? AF.INET6 : AF.INET, type, number);
  if (family === 6) setSocketOption(fd, IPPROTO.IPV6, IPV6_V6ONLY, 1);
  return fd;
}

function bindError(
  request: PublishRequest,
  { protocol, containerPort }: PortRequest,
  { hostIp, containerIp }: PortTarget,
  hostPort: number,
  error: unknown,
): unknown {
  if (!(error instanceof SystemError)) return error;
  const pair = `${addressAndPort(hostIp, hostPort)}:${addressAndPort(containerIp, containerPort)}/${protocol}`;
  const why = describeErrno(error.errno) ?? error.code;
  return programmingError(request, `failed to bind host port for ${pair}: ${why}`);
}

/** False when IPv6 is not in the kernel, or off everywhere. */
export function hasHostIpv6(): boolean {
  try {
    return readFileSync('/proc/net/if_inet6', 'latin1') !== '';
  } catch {
    return false;
  }
}
