// Registries by their settings: opens sessions, and checks a login.
import { EngineError } from '../errors/engine-error.ts';
import { Authorizer } from './authorizer.ts';
import { Connections } from './connections.ts';
import { HttpRegistrySession } from './http-session.ts';
import { RegistryFailure } from './registry-failure.ts';
import { type PlainHosts, RegistryHttp } from './registry-http.ts';
import {
  type Credentials,
  noCredentials,
  type Registries,
  type RegistryFacts,
  type RegistrySession,
} from './registry-session.ts';
import { type Endpoint, type ProxySettings, type RegistryOptions, RegistrySettings } from './registry-settings.ts';

export class HttpRegistries implements Registries {
  readonly #settings: RegistrySettings;
  readonly #plainHosts: PlainHosts = new Map();

  /** Throws 'invalid' naming the option that cannot be. */
  constructor(options: RegistryOptions) {
    this.#settings = new RegistrySettings(options);
  }

  open(repository: string, credentials: Credentials, access: 'pull' | 'push'): RegistrySession {
    const slash = repository.indexOf('/');
    const scope = `repository:${repository.slice(slash + 1)}:${access === 'push' ? 'pull,push' : 'pull'}`;
    const opened = new DisposableStack();
    const endpoints = this.#settings.endpoints(repository.slice(0, slash), access).map((endpoint) =>
      // Each with connections of its own: a mirror on this host gives no other the right to lead us there.
      this.#endpoint(endpoint, opened.use(new Connections(this.#settings)), {
        credentials: endpoint.isMirror ? noCredentials : credentials,
        scopes: [scope],
        isLogin: false,
      }),
    );
    return new HttpRegistrySession(repository, endpoints, opened);
  }

  async login(serverAddress: string, credentials: Credentials): Promise<string> {
    const host = serverHost(serverAddress);
    using connections = new Connections(this.#settings);
    const [origin] = this.#settings.endpoints(host, 'push');
    const http = this.#endpoint(origin as Endpoint, connections, { credentials, scopes: [], isLogin: true });
    try {
      const answer = await http.send({ method: 'GET', path: '/v2/', accept: [200] });
      answer.body.resume();
      return http.authorizer.refreshToken;
    } catch (error) {
      throw loginError(error, serverAddress);
    }
  }

  /** The host itself, for what is about no repository. */
  openHost(host: string, credentials: Credentials): { http: RegistryHttp } & Disposable {
    const connections = new Connections(this.#settings);
    const [origin] = this.#settings.endpoints(host, 'push');
    const http = this.#endpoint(origin as Endpoint, connections, { credentials, scopes: [], isLogin: false });
    return { http, [Symbol.dispose]: () => connections[Symbol.dispose]() };
  }

  describe(): RegistryFacts {
    return {
      insecureCidrs: [...this.#settings.insecureCidrs],
      insecureHosts: [...this.#settings.insecureHosts],
      mirrors: this.#settings.hubMirrors.map((url) => `${url}/`),
      proxies: withoutPasswords(this.#settings.options.proxies),
    };
  }

  #endpoint(
    endpoint: Endpoint,
    connections: Connections,
    who: { credentials: Credentials; scopes: readonly string[]; isLogin: boolean },
  ): RegistryHttp {
    const settings = this.#settings;
    const isPlain = endpoint.baseUrl.startsWith('http:');
    const authorizer = new Authorizer({
      connections,
      ...who,
      mayBePlain: (host) =>
        (endpoint.isInsecure || isPlain) && (settings.isInsecure(host) || isOwnPlain(endpoint, host)),
    });
    return new RegistryHttp(endpoint, { connections, settings, authorizer, plainHosts: this.#plainHosts });
  }
}

function withoutPasswords(proxies: ProxySettings): RegistryFacts['proxies'] {
  const hidden = Object.entries(proxies).map(([name, value]) => [name, value.replace(/\/\/[^/@]*@/, '//xxxxx:xxxxx@')]);
  return Object.fromEntries(hidden);
}

/** A mirror that is configured with http may name itself as its realm. */
function isOwnPlain(endpoint: Endpoint, host: string): boolean {
  const base = new URL(endpoint.baseUrl);
  return base.protocol === 'http:' && base.host === host;
}

/** As clients give it: "https://index.docker.io/v1/", "localhost:5000", "https://ghcr.io". Empty is Docker's own. */
function serverHost(serverAddress: string): string {
  const host = serverAddress.replace(/^https?:\/\//i, '').replace(/\/.*$/s, '');
  if (host === '' || host === 'index.docker.io' || host === 'docker.io') return 'docker.io';
  if (!/^[A-Za-z0-9.-]+(?::\d{1,5})?$|^\[[0-9a-fA-F:]+\](?::\d{1,5})?$/.test(host)) {
    throw new EngineError('invalid', `invalid registry address ${JSON.stringify(serverAddress.slice(0, 200))}`);
  }
  return host;
}

function loginError(error: unknown, serverAddress: string): unknown {
  if (!(error instanceof RegistryFailure)) return error;
  const address = /^https?:/i.test(serverAddress) ? serverAddress : `https://${serverAddress}/v2/`;
  if (error.status === 401 || error.status === 403) {
    const why = error.code === '' ? 'incorrect username or password' : error.words;
    return new EngineError('unauthorized', `login attempt to ${address} failed: ${why}`, { cause: error });
  }
  return new EngineError('system', error.message, { cause: error.cause ?? error });
}
