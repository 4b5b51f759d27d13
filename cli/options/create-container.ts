// POST /containers/create with what docker's client does around it: pulling a missing image, the id file, warnings.
import { closeSync, existsSync, openSync, unlinkSync, writeSync } from 'node:fs';
import type { ContainerCreateRequest, ContainerCreateResponse } from '../../daemon/docker-types/container-actions.ts';
import type { Cli } from '../context.ts';
import { ApiError, CliError, messageOf } from '../errors.ts';
import { windowSize } from '../terminal/window-size.ts';
import { checkPlatform } from './platform.ts';
import { familiarReference, splitReference } from './reference.ts';
import { systemReason } from './variables.ts';

export interface CreateOptions {
  name: string;
  platform: string;
  /** always, missing or never. */
  pull: string;
  quiet: boolean;
}

export function checkPullPolicy(policy: string): void {
  if (['always', 'missing', 'never', ''].includes(policy)) return;
  throw new CliError(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`);
}

/** The new container's id. */
export async function createContainer(
  cli: Cli,
  request: ContainerCreateRequest,
  options: CreateOptions,
): Promise<string> {
  const host = request.HostConfig ?? {};
  checkPlatform(options.platform);
  warn(cli, host);
  const image = request.Image ?? '';
  const familiar = familiarReference(image);
  const cidFile = openCidFile(host.ContainerIDFile ?? '');
  try {
    if (options.pull === 'always') await pullImage(cli, image, options);
    if (request.Tty) {
      const size = windowSize(1);
      host.ConsoleSize = [size?.rows ?? 0, size?.columns ?? 0];
    }
    const query = { name: options.name || undefined, platform: options.platform || undefined };
    const create = () => cli.client.post<ContainerCreateResponse>('/containers/create', { query, json: request });
    const response = await create().catch(async (error: unknown) => {
      const isMissing = error instanceof ApiError && error.httpStatus === 404;
      if (!isMissing || (options.pull !== 'missing' && options.pull !== '')) throw error;
      if (!options.quiet) cli.err.line(`Unable to find image '${familiar}' locally`);
      await pullImage(cli, image, options);
      return create();
    });
    for (const warning of response.Warnings ?? []) cli.err.line(`WARNING: ${warning}`);
    cidFile.write(response.Id);
    return response.Id;
  } finally {
    cidFile.close();
  }
}

function warn(cli: Cli, host: NonNullable<ContainerCreateRequest['HostConfig']>): void {
  if (host.OomKillDisable && !host.Memory) {
    cli.err.line(
      "WARNING: Disabling the OOM killer on containers without setting a '-m/--memory' limit may be dangerous.",
    );
  }
  const local = host.Dns?.find((address) => /^127\.|^::1$/.test(address));
  if (local !== undefined) {
    cli.err.line(`WARNING: Localhost DNS setting (--dns=${local}) may fail in containers.`);
  }
}

async function pullImage(cli: Cli, image: string, options: CreateOptions): Promise<void> {
  const { name, tag } = splitReference(image);
  const query = { fromImage: name, tag, platform: options.platform || undefined };
  const { registryHeaders } = await import('../credentials/open-store.ts');
  const headers = await registryHeaders(cli, image);
  const response = await cli.client.request('POST', '/images/create', { query, headers });
  const { showProgress } = await import('../views/progress.ts');
  await showProgress(cli, response.body, { quiet: options.quiet, to: cli.err });
}

interface CidFile {
  write(id: string): void;
  /** Removes the file again when no id was written. */
  close(): void;
}

function openCidFile(path: string): CidFile {
  if (path === '') return { write() {}, close() {} };
  if (existsSync(path)) {
    throw new CliError(`container ID file found, make sure the other container isn't running or delete ${path}`);
  }
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o666);
  } catch (error) {
    throw new CliError(`failed to create the container ID file: open ${path}: ${systemReason(error)}`);
  }
  let written = false;
  return {
    write(id) {
      try {
        writeSync(fd, id);
      } catch (error) {
        throw new CliError(`failed to write the container ID to the file: ${messageOf(error)}`);
      }
      written = true;
    },
    close() {
      closeSync(fd);
      if (!written) unlinkSync(path);
    },
  };
}
