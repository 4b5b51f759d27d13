// A container's exit status, asked for before the container is started so that no end is missed.
import type { ContainerWaitResponse } from '../../daemon/docker-types/container-actions.ts';
import { segment } from '../client/api-client.ts';
import type { Body } from '../client/body.ts';
import type { Cli } from '../context.ts';
import { CliError, messageOf } from '../errors.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed' | 'healthy';

/** Docker's exit status when the daemon is lost. */
const lostContainerStatus = 125;

/** Resolves once the daemon is listening for the end; `status` then resolves at the end. */
export async function watchExit(
  cli: Cli,
  containerId: string,
  condition: WaitCondition,
): Promise<{ status: Promise<number> }> {
  const response = await cli.client.request('POST', `/containers/${segment(containerId)}/wait`, {
    query: { condition },
  });
  const status = readStatus(response.body).catch((error: unknown) => {
    throw new CliError(`error waiting for container: ${messageOf(error)}`, lostContainerStatus);
  });
  // Nobody may be listening yet when it fails.
  status.catch(() => {});
  return { status };
}

async function readStatus(body: Body): Promise<number> {
  const text = (await body.bytes()).toString();
  if (text.trim() === '') throw new CliError('unexpected EOF');
  const answer = JSON.parse(text) as ContainerWaitResponse;
  if (answer.Error?.Message) throw new CliError(answer.Error.Message);
  return answer.StatusCode;
}
