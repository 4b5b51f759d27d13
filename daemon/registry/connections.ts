// The connections of one session: kept alive between requests, each with the TLS material of its own host and no other's.
import { lookup } from 'node:dns';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { EngineError } from '../errors/engine-error.ts';
import { AddressRanges } from './address-ranges.ts';
import { tlsMaterial } from './certs-directory.ts';
import { hostNameOf, isLocalhost, type RegistrySettings } from './registry-settings.ts';

const MAX_SOCKETS = 16;
/** Where a registry on another host has no business to send us: the host itself, and the addresses where clouds keep their secrets. */
const inward = new AddressRanges([
  '127.0.0.0/8',
  '0.0.0.0/8',
  '169.254.0.0/16',
  '::1/128',
  '::/128',
  'fe80::/10',
  'fd00:ec2::254/128',
  '::ffff:127.0.0.0/104',
  '::ffff:169.254.0.0/112',
]);

export class Connections implements Disposable {
  readonly #settings: RegistrySettings;
  readonly #agents = new Map<string, HttpAgent | HttpsAgent>();
  /** Origins that the user or the administrator named: these may be anywhere. */
  readonly #trusted = new Set<string>();
  #mayGoInward = false;

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
  }

  /** `url` was chosen by this host's side, not by a registry. */
  trust(url: URL): void {
    this.#trusted.add(url.host);
    const name = hostNameOf(url.host);
    if (isLocalhost(name) || inward.contains(name)) this.#mayGoInward = true;
  }

  /** Throws 'forbidden' when a registry sends us where it must not. */
  agentFor(url: URL): HttpAgent | HttpsAgent {
    const key = url.origin;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = this.#make(url);
      this.#agents.set(key, agent);
    }
    return agent;
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #make(url: URL): HttpAgent | HttpsAgent {
    const name = hostNameOf(url.host);
    const isGuarded = !this.#trusted.has(url.host) && !this.#mayGoInward;
    if (isGuarded && (inward.contains(name) || isLocalhost(name))) throw refused(url.host, name);
    const isInward = inward.contains(name) || isLocalhost(name);
    const options = {
      keepAlive: true,
      maxSockets: MAX_SOCKETS,
      ...(isGuarded && isIP(name) === 0 ? { lookup: guardedLookup } : {}),
      ...(isInward ? {} : { proxyEnv: { ...this.#settings.options.proxies } }),
    };
    if (url.protocol === 'http:') return new HttpAgent(options);
    const isInsecure = this.#settings.isInsecure(url.host);
    return new HttpsAgent({
      ...options,
      ...tlsMaterial(this.#settings.options.certsDirectory, url.host),
      rejectUnauthorized: !isInsecure,
    });
  }
}

/** As dns.lookup, without the addresses that a registry must not send us to. */
const guardedLookup: LookupFunction = (host, options, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, '', 0);
      return;
    }
    const allowed = addresses.filter(({ address }) => !inward.contains(address));
    const [first] = allowed;
    if (first === undefined) callback(refused(host, addresses[0]?.address ?? ''), '', 0);
    else if (options.all) callback(null, allowed);
    else callback(null, first.address, first.family);
  });
};

function refused(host: string, address: string): EngineError {
  return new EngineError('forbidden', `refused to follow the registry to ${host} (${address}): it is this host's own`);
}
