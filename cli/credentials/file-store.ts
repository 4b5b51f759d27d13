// Credentials in the configuration file itself, as `auths`: base64 of NAME:PASSWORD, or tokens.
import { CliError } from '../errors.ts';
import { type ConfigJson, configPath, readConfigJson, writeConfigJson } from './config-json.ts';
import { type CredentialStore, type Credentials, hostOfServer, noCredentials } from './credentials.ts';

/** `warn` is called before credentials are first written in the clear. */
export function fileStore(directory: string, warn: (path: string) => void): CredentialStore {
  return {
    async get(server) {
      const { auths } = readConfigJson(directory);
      if (!auths) return noCredentials;
      if (Object.hasOwn(auths, server)) return parseEntry(server, auths[server]);
      // Old clients wrote whole URLs.
      const legacy = Object.keys(auths).find((key) => hostOfServer(key) === hostOfServer(server) && key.includes('/'));
      return legacy === undefined ? noCredentials : parseEntry(legacy, auths[legacy]);
    },
    async store(server, credentials) {
      const config = readConfigJson(directory);
      const entry = entryOf(credentials);
      const known = config.auths && Object.hasOwn(config.auths, server) ? config.auths[server] : undefined;
      if (JSON.stringify(known) === JSON.stringify(entry)) return;
      writeConfigJson(directory, withAuths(config, [...without(config, server), [server, entry]]));
      warn(configPath(directory));
    },
    async erase(server) {
      const config = readConfigJson(directory);
      if (!config.auths || !Object.hasOwn(config.auths, server)) return;
      writeConfigJson(directory, withAuths(config, without(config, server)));
    },
  };
}

function without(config: ConfigJson, server: string): [string, unknown][] {
  return Object.entries(config.auths ?? {}).filter(([key]) => key !== server);
}

/** `auths` keeps its place; built from entries so that no key can reach a prototype. */
function withAuths(config: ConfigJson, entries: [string, unknown][]): ConfigJson {
  return { ...config, auths: Object.fromEntries(entries) };
}

function entryOf({ username, password, identityToken, registryToken }: Credentials): Record<string, string> {
  return {
    ...(username === '' ? {} : { auth: Buffer.from(`${username}:${password}`).toString('base64') }),
    ...(identityToken === '' ? {} : { identitytoken: identityToken }),
    ...(registryToken === '' ? {} : { registrytoken: registryToken }),
  };
}

function parseEntry(server: string, entry: unknown): Credentials {
  const field = (name: string) => {
    const value = typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>)[name] : undefined;
    return typeof value === 'string' ? value : '';
  };
  const tokens = { identityToken: field('identitytoken'), registryToken: field('registrytoken') };
  const auth = field('auth');
  if (auth === '') return { username: field('username'), password: field('password'), ...tokens };
  const decoded = Buffer.from(auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  if (colon < 1) throw new CliError(`invalid auth configuration file: the entry of ${server} is not NAME:PASSWORD`);
  // Some clients pad the password with NUL bytes.
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/^\0+|\0+$/g, ''), ...tokens };
}
