import { watchExit } from '../attach/wait-exit.ts';
import { atLeast, defineCommand } from '../command.ts';
import { joinErrors } from '../errors.ts';

export const wait = defineCommand({
  usage: 'CONTAINER [CONTAINER...]',
  short: 'Block until one or more containers stop, then print their exit codes',
  aliases: ['container wait', 'wait'],
  flags: {},
  arguments: atLeast(1),
  async run({ cli, args }) {
    const errors: unknown[] = [];
    for (const name of args) {
      try {
        const { status } = await watchExit(cli, name, 'not-running');
        cli.out.line(String(await status));
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw joinErrors(errors);
    return 0;
  },
});
