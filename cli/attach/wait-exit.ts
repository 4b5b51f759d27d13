// A container's exit status, asked for before the container is started so that no end is missed.
import { segment } from '../client/api-client.ts';
import type { Cli } from '../context.ts';
import { CliError } from '../errors.ts';

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

interface WaitAnswer {
  StatusCode: number;
  Error?: { Message?: string } | null;
}

/** Resolves once the daemon is listening for the end; `status` then resolves at the end. */
export async function watchExit(
  cli: Cli,
  containerId: string,
  condition: WaitCondition,
): Promise<{ status: Promise<number> }> {
  const response = await cli.client.request('POST', `/containers/${segment(containerId)}/wait`, {
    query: { condition },
  });
  const status = (async () => {
    const text = (await response.body.bytes()).toString();
    if (text.trim() === '') throw new CliError('Error waiting for container: unexpected end of the answer', 125);
    const answer = JSON.parse(text) as WaitAnswer;
    if (answer.Error?.Message) throw new CliError(`Error waiting for container: ${answer.Error.Message}`, 125);
    return answer.StatusCode;
  })();
  // Nobody may be listening yet when it fails.
  status.catch(() => {});
  return { status };
}
