// EXPOSE: `80`, `8000-8002/udp`, and docker's `[ip:]host:container` of which the container's part counts.
import { isIP } from 'node:net';
import { EngineError } from '../../../errors/engine-error.ts';

/** Each port as "80/tcp". Throws 'invalid' in BuildKit's words. */
export function exposedPorts(words: readonly string[]): string[] {
  return words.flatMap(portsOf);
}

function portsOf(word: string): string[] {
  const parts = word.split(':');
  const container = parts.at(-1) ?? '';
  const host = parts.at(-2) ?? '';
  const address = parts
    .slice(0, -2)
    .join(':')
    .replace(/^\[(.*)\]$/, '$1');
  const slash = container.indexOf('/');
  const range = slash < 0 ? container : container.slice(0, slash);
  const protocol = slash < 0 ? 'tcp' : container.slice(slash + 1).toLowerCase() || 'tcp';
  if (range === '') throw invalid(`no port specified: ${container}<empty>`);
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp')
    throw invalid(`invalid port: ${JSON.stringify(word)}: invalid proto: ${protocol}`);
  if (address !== '' && isIP(address) === 0) throw invalid(`invalid IP address: ${address}`);
  const [first, last] = rangeOf(range) ?? refuse(`invalid containerPort: ${range}`);
  if (host !== '') {
    const [hostFirst, hostLast] = rangeOf(host) ?? refuse(`invalid hostPort: ${host}`);
    if (last - first !== hostLast - hostFirst && last !== first) {
      throw invalid(`invalid ranges specified for container and host Ports: ${range} and ${host}`);
    }
  }
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}

function rangeOf(text: string): [number, number] | undefined {
  const match = /^(\d{1,20})(?:-(\d{1,20}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first <= last && last <= 65_535 ? [first, last] : undefined;
}

function refuse(message: string): never {
  throw invalid(message);
}

function invalid(message: string): EngineError {
  return new EngineError('invalid', message);
}
