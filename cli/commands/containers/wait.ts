import { parsedFlag } from '../../../daemon/protocols/flags/flag.ts';
import { type WaitCondition, watchExit } from '../../attach/wait-exit.ts';
import { atLeast, defineCommand } from '../../command.ts';
import { joinErrors } from '../../errors.ts';

const conditions: readonly WaitCondition[] = ['not-running', 'next-exit', 'removed', 'healthy'];

/** 'healthy' prints 0 once it is; an end or "unhealthy" before that is an error. */
function parseCondition(text: string): WaitCondition {
  const condition = conditions.find((known) => known === text);
  if (condition === undefined) throw new Error(`must be one of "${conditions.join('", "')}"`);
  return condition;
}

export const wait = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Block until one or more containers stop, then print their exit codes',
  aliases: ['container wait', 'wait'],
  flags: {
    condition: parsedFlag(
      'condition',
      'What to wait for ("not-running", "next-exit", "removed", "healthy")',
      parseCondition,
      {
        typeName: 'string',
        initial: 'not-running' as WaitCondition,
      },
    ),
  },
  arguments: atLeast(1),
  async run({ cli, flags, args }) {
    const errors: unknown[] = [];
    for (const name of args) {
      try {
        const { status } = await watchExit(cli, name, flags.condition);
        cli.out.line(String(await status));
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw joinErrors(errors);
    return 0;
  },
});
