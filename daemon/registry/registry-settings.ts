// The daemon's settings for registries, read: which hosts may be spoken to without verified TLS, and where a repository may be found.
import { isIP } from 'node:net';
import { EngineError } from '../errors/engine-error.ts';
import { AddressRanges } from './address-ranges.ts';

/** As the options say it. */
export interface RegistryOptions {
  /** URLs, tried before docker.io. */
  readonly mirrors: readonly string[];
  /** Of any registry: host[:port] -> URLs that are tried before it. */
  readonly mirrorsOf: Readonly<Record<string, readonly string[]>>;
  /** host[:port] or CIDR. Loopback is always one. */
  readonly insecure: readonly string[];
  /** Holds HOST[:PORT]/{*.crt,*.cert,*.key}. */
  readonly certsDirectory: string;
  readonly proxies: ProxySettings;
  /** First pause before a request is repeated; it doubles each time. Milliseconds. */
  readonly retryPauseMs: number;
  /** Per request. */
  readonly maxAttempts: number;
}

/** As the environment variables of the same names. */
export interface ProxySettings {
  readonly HTTP_PROXY?: string;
  readonly HTTPS_PROXY?: string;
  readonly NO_PROXY?: string;
}

export const defaultRegistryOptions: RegistryOptions = Object.freeze({
  mirrors: [],
  mirrorsOf: {},
  insecure: [],
  certsDirectory: '/etc/docker/certs.d',
  proxies: {},
  retryPauseMs: 250,
  maxAttempts: 5,
});

/** One place that serves a repository. */
export interface Endpoint {
  /** Of a mirror its URL; of a registry https, or http when `isInsecure` and nothing else answers. No slash at the end. */
  readonly baseUrl: string;
  /** Only the origin gets the user's credentials. */
  readonly isMirror: boolean;
  /** TLS is not verified, and plain http is tried where there is none. */
  readonly isInsecure: boolean;
}

const DOCKER_HUB = 'docker.io';
const DOCKER_HUB_HOST = 'registry-1.docker.io';
const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const MAX_MIRRORS = 16;

export class RegistrySettings {
  readonly options: RegistryOptions;
  readonly insecureCidrs: readonly string[];
  readonly insecureHosts: readonly string[];
  readonly #ranges: AddressRanges;
  readonly #mirrors = new Map<string, readonly string[]>();

  /** Throws 'invalid' naming the option. */
  constructor(options: RegistryOptions) {
    this.options = options;
    const isCidr = (text: string) => text.includes('/') && !text.includes('://');
    this.insecureCidrs = [...LOOPBACK, ...options.insecure.filter(isCidr)];
    this.insecureHosts = options.insecure.filter((text) => !isCidr(text)).map(insecureHost);
    this.#ranges = new AddressRanges(this.insecureCidrs);
    this.#setMirrors(DOCKER_HUB, options.mirrors);
    for (const [host, urls] of Object.entries(options.mirrorsOf)) this.#setMirrors(host, urls);
  }

  get hubMirrors(): readonly string[] {
    return this.#mirrors.get(DOCKER_HUB) ?? [];
  }

  /** In the order in which they are asked. `host` is the domain of a reference. */
  endpoints(host: string, access: 'pull' | 'push'): Endpoint[] {
    const mirrors = access === 'push' ? [] : (this.#mirrors.get(host) ?? []);
    const origin = host === DOCKER_HUB ? DOCKER_HUB_HOST : host;
    return [
      ...mirrors.map((url) => ({ baseUrl: url, isMirror: true, isInsecure: this.isInsecure(new URL(url).host) })),
      { baseUrl: `https://${origin}`, isMirror: false, isInsecure: this.isInsecure(origin) },
    ];
  }

  /** Addresses and "localhost" by range; all others only when they are listed: whoever answers for DNS must not decide this. */
  isInsecure(host: string): boolean {
    const name = host.toLowerCase();
    const bare = hostNameOf(name);
    if (this.insecureHosts.includes(name) || this.insecureHosts.includes(bare)) return true;
    return isIP(bare) !== 0 ? this.#ranges.contains(bare) : isLocalhost(bare);
  }

  #setMirrors(host: string, urls: readonly string[]): void {
    if (urls.length > MAX_MIRRORS) throw invalid('mirrors', host, `more than ${MAX_MIRRORS} of them`);
    this.#mirrors.set(host, [...(this.#mirrors.get(host) ?? []), ...urls.map(mirrorUrl)]);
  }
}

/** "[::1]:5000" -> "::1". */
export function hostNameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host);
  return bracketed?.[1] ?? host.replace(/:\d*$/, '');
}

export function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

function insecureHost(text: string): string {
  if (text === '' || /[\s/@]/.test(text) || /^https?:/i.test(text)) {
    throw invalid('insecure-registries', text, 'it has to be a host, host:port or an address range');
  }
  return text.toLowerCase();
}

function mirrorUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw invalid('registry-mirrors', text, 'it has to be an http or https URL without query');
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('registry-mirrors', url.host, 'it must not hold a user name or password');
  }
  return url.href.replace(/\/+$/, '');
}

function invalid(option: string, value: string, why: string): EngineError {
  return new EngineError('invalid', `invalid ${option} ${JSON.stringify(value)}: ${why}`);
}
