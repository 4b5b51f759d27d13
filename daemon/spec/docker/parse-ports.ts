// Published ports out of what a container says: HostConfig.PortBindings, PublishAllPorts, ExposedPorts.
import { isIP } from 'node:net';
import { EngineError } from '../../errors/engine-error.ts';
import { type PortProtocol, type PortRange, type PortRequest, type PortsSpec, portsLimit } from '../ports.ts';

type Exposed = Readonly<Record<string, unknown>> | null | undefined;
type Bindings = Readonly<Record<string, readonly { HostIp?: string; HostPort?: string }[] | null>> | null | undefined;

export interface PortWishes {
  exposed: Exposed;
  bindings: Bindings;
  publishAll: boolean;
}

const protocols: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp']);

/** Throws 'invalid' in docker's words. */
export function parsePorts({ exposed, bindings, publishAll }: PortWishes): PortsSpec {
  return { exposed: exposedRanges(exposed), published: parseBindings(bindings), publishesExposed: publishAll };
}

function parseBindings(bindings: Bindings): PortRequest[] {
  return Object.entries(bindings ?? {}).flatMap(([key, list]) => {
    const port = parsePort(key);
    // A port with an empty list is bound to whatever the kernel gives, as `-p 80` is.
    return (list?.length ? list : [{}]).map(({ HostIp = '', HostPort = '' }) => {
      const hostPorts = parseHostPorts(HostPort);
      return { ...port, hostIp: checkHostIp(HostIp), ...(hostPorts === undefined ? {} : { hostPorts }) };
    });
  });
}

/**
 * Of Config.ExposedPorts, in the order in which they stand there; what follows one upon another is one range. Throws 'invalid' in docker's words,
 * and for ranges that are more ports together than there can be.
 */
export function exposedRanges(exposed: Exposed): PortRange[] {
  const ranges: PortRange[] = [];
  let open: { first: number; last: number; protocol: PortProtocol } | undefined;
  eachExposed(exposed, (first, last, protocol) => {
    if (open?.protocol === protocol && first === open.last + 1) {
      open.last = last;
      return;
    }
    open = { first, last, protocol };
    ranges.push(open);
  });
  return ranges;
}

/** As they are written; an image may name each of 65,535, and everybody waits meanwhile. Throws as exposedRanges. */
function eachExposed(exposed: Exposed, see: (first: number, last: number, protocol: PortProtocol) => void): void {
  let left = portsLimit;
  for (const key in exposed ?? {}) {
    const end = endOfPort(key);
    const protocol = end === 0 ? undefined : protocolAt(key, end);
    const port = protocol === undefined ? 0 : Number(key.slice(0, end));
    // Nearly all of them are plain.
    if (protocol !== undefined && port >= 1 && port <= 65535) {
      left--;
      if (left >= 0) see(port, port, protocol);
    } else {
      const range = parseRange(key);
      left -= range.last - range.first + 1;
      if (left >= 0) see(range.first, range.last, range.protocol);
    }
    if (left < 0) throw new EngineError('invalid', `more than ${portsLimit} exposed ports`);
  }
}

/** Where up to five digits at the beginning end. */
function endOfPort(key: string): number {
  let at = 0;
  for (; at < 5; at++) {
    const code = key.charCodeAt(at);
    if (!(code >= 48 && code <= 57)) break;
  }
  return at;
}

/** "" is tcp. undefined: something else stands there. */
function protocolAt(key: string, at: number): PortProtocol | undefined {
  if (key.length === at) return 'tcp';
  if (key.length === at + 4) return key.endsWith('/tcp') ? 'tcp' : key.endsWith('/udp') ? 'udp' : undefined;
  return key.length === at + 5 && key.endsWith('/sctp') ? 'sctp' : undefined;
}

/** "80", "80/udp". */
export function parsePort(key: string): { containerPort: number; protocol: PortProtocol } {
  const { first, last, protocol } = parseRange(key);
  if (last > first) throw invalidPort(key.split('/')[0] ?? '');
  return { containerPort: first, protocol };
}

/** "80", "80/udp", "8000-8010/tcp": what EXPOSE may say. */
function parseRange(key: string): PortRange {
  const [text = '', protocol = 'tcp', ...rest] = key.split('/');
  if (!protocols.has(protocol.toLowerCase()) || rest.length > 0) {
    throw new EngineError('invalid', `invalid proto: ${key.slice(key.indexOf('/') + 1)}`);
  }
  const { first, last } = parseNumbers(text);
  if (first < 1) throw invalidPort(text);
  return { first, last, protocol: protocol.toLowerCase() as PortProtocol };
}

/** undefined: the kernel chooses. */
function parseHostPorts(text: string): { first: number; last: number } | undefined {
  if (text === '') return undefined;
  const range = parseNumbers(text);
  return range.last === 0 ? undefined : range;
}

function parseNumbers(text: string): { first: number; last: number } {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = match?.[2] === undefined ? first : Number(match[2]);
  if (match === null || first > 65535 || last > 65535 || last < first) throw invalidPort(text);
  return { first, last };
}

function checkHostIp(text: string): string {
  if (text === '') return '';
  const address = text.replace(/^\[(.*)\]$/, '$1');
  // A zone is not the host's to give to everybody.
  if (isIP(address) === 0 || address.includes('%')) throw new EngineError('invalid', `invalid IP address: ${text}`);
  return address;
}

function invalidPort(text: string): EngineError {
  return new EngineError('invalid', `invalid port specification: "${text}"`);
}
