// What proves who the user is to a registry, and the form in which the daemon takes it.

/** Fields are empty rather than missing, as in docker. */
export interface Credentials {
  username: string;
  password: string;
  /** Instead of a password: an OAuth refresh token that the registry gave at login. */
  identityToken: string;
  /** A bearer token to send as it is. */
  registryToken: string;
}

export const noCredentials: Credentials = { username: '', password: '', identityToken: '', registryToken: '' };

/** The name under which docker keeps the credentials of Docker Hub. */
export const hubServer = 'https://index.docker.io/v1/';

/** Where credentials are kept: the configuration file or a helper program. Servers are named as in `auths`. */
export interface CredentialStore {
  get(server: string): Promise<Credentials>;
  store(server: string, credentials: Credentials): Promise<void>;
  erase(server: string): Promise<void>;
}

/** The key in `auths` for a registry host as it stands in references. */
export function serverOf(domain: string): string {
  return domain === 'docker.io' || domain === 'index.docker.io' ? hubServer : domain;
}

/** The host of a server that the user (or an old configuration) wrote as a URL. */
export function hostOfServer(server: string): string {
  return server.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '';
}

/** X-Registry-Auth: base64url of docker's AuthConfig as JSON; `{}` when there are no credentials. */
export function authHeader(server: string, credentials: Credentials): string {
  return headerText(authConfig(server, credentials));
}

/** Docker's AuthConfig. */
export function authConfig(server: string, credentials: Credentials): Record<string, string> {
  const { username, password, identityToken, registryToken } = credentials;
  return {
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(identityToken === '' ? {} : { identitytoken: identityToken }),
    ...(registryToken === '' ? {} : { registrytoken: registryToken }),
    ...(isNobody(credentials) ? {} : { serveraddress: server }),
  };
}

export function isNobody({ username, password, identityToken, registryToken }: Credentials): boolean {
  return username === '' && password === '' && identityToken === '' && registryToken === '';
}

/** Go's URL alphabet with padding: what daemons of all ages decode. */
export function headerText(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
