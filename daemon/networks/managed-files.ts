// The files below /etc that the engine writes for a container: hosts, hostname, resolv.conf. Pure: texts in, texts out.

import { isIP } from 'node:net';
import { EngineError } from '../errors/engine-error.ts';
import type { ExtraHost } from '../spec/container-spec.ts';
import { hostGateway } from '../spec/container-spec.ts';

const hostsHead =
  '127.0.0.1\tlocalhost\n' +
  '::1\tlocalhost ip6-localhost ip6-loopback\n' +
  'fe00::\tip6-localnet\n' +
  'ff00::\tip6-mcastprefix\n' +
  'ff02::1\tip6-allnodes\n' +
  'ff02::2\tip6-allrouters\n';
/** What Docker gives a container when the host names no resolver that it could reach. */
const fallbackResolvers = ['8.8.8.8', '8.8.4.4'];
const fileLimitBytes = 64 * 1024;
/** Where the name server of user networks listens inside containers, as docker's. */
export const embeddedResolver = '127.0.0.11';

/** One address and the names that it has, the first of them the canonical one. */
export interface HostLine {
  address: string;
  names: readonly string[];
}

export interface HostsInput {
  extraHosts: readonly ExtraHost[];
  /** What host-gateway stands for: the host's addresses as the container sees them. Empty: such entries are left out. */
  gateways: readonly string[];
  /** With the host's network: the host's own file is the base. */
  hostFile?: string;
  /** Linked containers, and the container's own addresses. */
  lines: readonly HostLine[];
}

export function hostsFile(input: HostsInput): string {
  const base = input.hostFile === undefined ? hostsHead : withLineEnd(input.hostFile.slice(0, fileLimitBytes));
  const extra = input.extraHosts.flatMap(({ name, address }) =>
    address === hostGateway ? input.gateways.map((gateway) => `${gateway}\t${name}\n`) : [`${address}\t${name}\n`],
  );
  return base + extra.join('') + input.lines.map(hostLine).join('');
}

/** A file that the container may have changed itself: only the lines that are exactly the engine's go, and new ones come at its end. */
export function editHosts(text: string, removed: readonly HostLine[], added: readonly HostLine[]): string {
  const gone = new Set(removed.map(hostLine));
  const kept = withLineEnd(text)
    .split(/(?<=\n)/)
    .filter((line) => !gone.has(line));
  return kept.join('') + added.map(hostLine).join('');
}

function hostLine({ address, names }: HostLine): string {
  return `${address}\t${names.join(' ')}\n`;
}

export interface ResolvConfInput {
  hostFile: string;
  /** With the host's network the host's loopback resolvers can be reached. */
  keepLoopback: boolean;
  servers: readonly string[];
  search: readonly string[];
  options: readonly string[];
}

/** resolv.conf(5): asked values replace the host's kind by kind; resolvers on the host's loopback are left out. */
export function resolvConf(input: ResolvConfInput): string {
  const host = parseResolvConf(input.hostFile.slice(0, fileLimitBytes));
  const reachable = input.keepLoopback ? host.servers : host.servers.filter((address) => !isLoopback(address));
  const inherited = reachable.length > 0 || input.keepLoopback ? reachable : fallbackResolvers;
  const servers = input.servers.length > 0 ? input.servers : inherited;
  const search = input.search.length > 0 ? input.search.filter((domain) => domain !== '.') : host.search;
  const options = input.options.length > 0 ? input.options : host.options;
  return [
    ...servers.map((address) => `nameserver ${address}\n`),
    ...(search.length > 0 ? [`search ${search.join(' ')}\n`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}\n`] : []),
  ].join('');
}

/** Of a container whose names the engine's own server answers; what it does not know it asks the servers outside itself. */
export function embeddedResolvConf(input: Pick<ResolvConfInput, 'hostFile' | 'search' | 'options'>): string {
  const host = parseResolvConf(input.hostFile.slice(0, fileLimitBytes));
  const search = input.search.length > 0 ? input.search.filter((domain) => domain !== '.') : host.search;
  const asked = input.options.length > 0 ? input.options : host.options;
  const options = asked.some((option) => option.startsWith('ndots:')) ? asked : [...asked, 'ndots:0'];
  return [
    `nameserver ${embeddedResolver}\n`,
    ...(search.length > 0 ? [`search ${search.join(' ')}\n`] : []),
    `options ${options.join(' ')}\n`,
  ].join('');
}

/** The resolvers that the host itself uses, loopback ones included. */
export function hostResolvers(hostFile: string): string[] {
  const { servers } = parseResolvConf(hostFile.slice(0, fileLimitBytes));
  return servers.length > 0 ? servers : [...fallbackResolvers];
}

/** Refuses what would not be one word of a resolv.conf line. */
export function checkDns(servers: readonly string[], search: readonly string[], options: readonly string[]): void {
  for (const address of servers) {
    if (isIP(address) === 0) throw new EngineError('invalid', `bad dns IP: ${address} is not an ip address`);
  }
  for (const word of [...search, ...options]) {
    if (word === '' || !/^[\x21-\x7e]{1,255}$/.test(word)) {
      throw new EngineError('invalid', `invalid DNS search domain or option: ${JSON.stringify(word)}`);
    }
  }
}

interface ParsedResolvConf {
  servers: string[];
  search: string[];
  options: string[];
}

function parseResolvConf(text: string): ParsedResolvConf {
  const parsed: ParsedResolvConf = { servers: [], search: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0] !== undefined) parsed.servers.push(words[0]);
    else if (keyword === 'search' || keyword === 'domain') parsed.search = words;
    else if (keyword === 'options') parsed.options.push(...words);
  }
  return parsed;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function withLineEnd(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
