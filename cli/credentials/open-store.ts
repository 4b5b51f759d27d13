// Which store keeps the credentials of a registry, and what of them goes to the daemon.
import { accessSync, constants } from 'node:fs';
import type { Cli } from '../context.ts';
import { CliError, messageOf } from '../errors.ts';
import { parseReference } from '../options/reference.ts';
import { readConfigJson } from './config-json.ts';
import {
  authConfig,
  authHeader,
  type CredentialStore,
  type Credentials,
  headerText,
  isNobody,
  noCredentials,
  serverOf,
} from './credentials.ts';
import { fileStore } from './file-store.ts';
import { helperStore } from './helper-store.ts';

/** The helper of this server (`credHelpers`), the one of all (`credsStore`), one that the host has, or the file. */
export function openStore(cli: Cli, server: string): CredentialStore {
  const directory = cli.options.configDirectory;
  const config = readConfigJson(directory);
  const helpers = config.credHelpers ?? {};
  const own = Object.hasOwn(helpers, server) ? helpers[server] : undefined;
  const name = own ?? config.credsStore ?? (hasAuths(config) ? '' : defaultHelper());
  if (typeof name !== 'string')
    throw new CliError(`credsStore and credHelpers hold names of helpers, not ${typeof name}`);
  const file = fileStore(directory, (path) => {
    cli.err.print(
      `\nWARNING! Your credentials are stored unencrypted in '${path}'.\n` +
        'Configure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n',
    );
  });
  return name === '' ? file : helperBeside(file, helperStore(name));
}

/** Once a helper keeps them, credentials that the file still holds in the clear go at the next login or logout. */
function helperBeside(file: CredentialStore, helper: CredentialStore): CredentialStore {
  return {
    ...helper,
    async store(server, credentials) {
      await helper.store(server, credentials);
      await file.erase(server);
    },
    async erase(server) {
      await helper.erase(server);
      await file.erase(server);
    },
  };
}

function hasAuths(config: { auths?: object; credsStore?: string; credHelpers?: object }): boolean {
  return Object.keys(config.auths ?? {}).length > 0 || Object.keys(config.credHelpers ?? {}).length > 0;
}

/** As docker on Linux: pass when it is installed, else the desktop's keyring; each only with its helper. */
function defaultHelper(): string {
  const name = isInPath('pass') ? 'pass' : 'secretservice';
  return isInPath(`docker-credential-${name}`) ? name : '';
}

function isInPath(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((directory) => {
    try {
      accessSync(`${directory}/${program}`, constants.X_OK);
      return directory !== '';
    } catch {
      return false;
    }
  });
}

/**
 * The headers that let the daemon act for the user at the registry of this image. Where credentials cannot be had it is asked without: most
 * images are for everybody, and the registry says when this one is not.
 */
export async function registryHeaders(cli: Cli, reference: string): Promise<Record<string, string>> {
  const [domain = ''] = parseReference(reference).name.split('/', 1);
  const server = serverOf(domain);
  return { 'X-Registry-Auth': authHeader(server, await credentialsFor(cli, server)) };
}

/** The header that lets the daemon act for the user at all registries that the user has logged in to: a build may need any of them. */
export async function allRegistryHeaders(cli: Cli): Promise<Record<string, string>> {
  if (cli.config().isDamaged) return {};
  const { auths, credHelpers } = readConfigJson(cli.options.configDirectory);
  const servers = new Set([...Object.keys(auths ?? {}), ...Object.keys(credHelpers ?? {})]);
  const found: Record<string, object> = Object.create(null);
  for (const server of servers) {
    const credentials = await credentialsFor(cli, server);
    if (!isNobody(credentials)) found[server] = authConfig(server, credentials);
  }
  return { 'X-Registry-Config': headerText(found) };
}

async function credentialsFor(cli: Cli, server: string): Promise<Credentials> {
  // That has been told.
  if (cli.config().isDamaged) return noCredentials;
  try {
    return await openStore(cli, server).get(server);
  } catch (error) {
    cli.err.line(`WARNING: ${messageOf(error)}: going on without credentials`);
    return noCredentials;
  }
}
