import type { EventMessage } from '../../../daemon/docker-types/system.ts';
import { listFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { defineCommand, none } from '../../command.ts';
import { CliError, messageOf } from '../../errors.ts';
import { localRfc3339Nano, parseExactJson } from '../../formats/go-text.ts';
import { parseTimestamp } from '../../formats/timestamp.ts';
import { filtersQuery, validateFilter } from '../../options/filters.ts';
import { inspectFormatHelp } from '../../options/format-help.ts';
import { compileTemplate } from '../../template/render.ts';
import { render } from '../../views/list.ts';
import { textLines } from '../../views/progress.ts';

export const events = defineCommand({
  usage: '[OPTIONS]',
  short: 'Get real time events from the server',
  aliases: ['system events', 'events'],
  flags: {
    filter: listFlag('filter,f', 'Filter output based on conditions provided', {
      typeName: 'filter',
      validate: validateFilter,
    }),
    format: stringFlag('format', inspectFormatHelp),
    since: stringFlag('since', 'Show all events created since timestamp'),
    until: stringFlag('until', 'Stream events until this timestamp'),
  },
  arguments: none,
  async run({ cli, flags }) {
    const template = flags.format === '' ? undefined : compile(flags.format === 'json' ? '{{json .}}' : flags.format);
    const response = await cli.client.request('GET', '/events', {
      query: {
        filters: filtersQuery(flags.filter),
        since: flags.since === '' ? undefined : parseTimestamp(flags.since),
        until: flags.until === '' ? undefined : parseTimestamp(flags.until),
      },
    });
    for await (const line of textLines(response.body)) {
      // timeNano is more than a JavaScript number holds.
      const event = parseExactJson(line) as EventMessage & { timeNano: number | bigint };
      cli.out.line(template ? render(() => template.render(templateFields(event))) : describe(event));
    }
    return 0;
  },
});

function compile(source: string) {
  try {
    return compileTemplate(source);
  } catch (error) {
    throw new CliError(`Error parsing format: ${messageOf(error)}`, 64);
  }
}

function describe(event: EventMessage & { timeNano: number | bigint }): string {
  const parts: string[] = [];
  if (event.timeNano) {
    const nano = BigInt(event.timeNano);
    parts.push(localRfc3339Nano(Number(nano / 1_000_000_000n), (nano % 1_000_000_000n).toString().padStart(9, '0')));
  } else if (event.time) parts.push(localRfc3339Nano(event.time, '000000000'));
  parts.push(event.Type, event.Action, event.Actor.ID);
  const attributes = Object.entries(event.Actor.Attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const shown = attributes.map(([key, value]) => `${key}=${value}`).join(', ');
  return `${parts.join(' ')}${shown === '' ? '' : ` (${shown})`}`;
}

/** A template may name fields as Go's types do, which start with a capital letter. */
function templateFields(event: EventMessage): object {
  const names = {
    Status: 'status',
    ID: 'id',
    From: 'from',
    Scope: 'scope',
    Time: 'time',
    TimeNano: 'timeNano',
  } as const;
  for (const [name, key] of Object.entries(names)) {
    Object.defineProperty(event, name, { value: event[key] ?? '', enumerable: false });
  }
  return event;
}
