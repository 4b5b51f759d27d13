// `inspect`, `container inspect`, `image inspect`: the daemon's JSON, or the user's template on it.

import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { segment } from '../../client/api-client.ts';
import { atLeast, defineCommand } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { ApiError, CliError, messageOf } from '../../errors.ts';
import { goJson, indentJson, parseExactJson } from '../../formats/go-text.ts';
import { inspectFormatHelp } from '../../options/format-help.ts';
import { platformJson } from '../../options/platform.ts';
import { type CompiledTemplate, compileTemplate } from '../../template/render.ts';
import { renderInspected } from '../../views/inspect-rules.ts';

/** The JSON text of one thing. Fails with ApiError 404 when it is not of that type. */
type Fetch = (cli: Cli, name: string, options: { size: boolean; platform: string }) => Promise<string>;

const fetchers: Record<string, Fetch> = {
  container: (cli, name, { size }) =>
    cli.client.getText(`/containers/${segment(name)}/json`, { size: size ? '1' : undefined }),
  image: (cli, name, { platform }) =>
    cli.client.getText(`/images/${segment(name)}/json`, { platform: platformJson(platform) }),
  network: (cli, name) => cli.client.getText(`/networks/${segment(name)}`),
  volume: (cli, name) => cli.client.getText(`/volumes/${segment(name)}`),
  plugin: (cli, name) => cli.client.getText(`/plugins/${segment(name)}/json`),
};
const types = ['config', 'container', 'image', 'network', 'node', 'plugin', 'secret', 'service', 'task', 'volume'];

const formatFlag = stringFlag('format,f', inspectFormatHelp);

export const inspect = defineCommand({
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  short: 'Return low-level information on Docker objects',
  flags: {
    format: formatFlag,
    size: boolFlag('size,s', 'Display total file sizes if the type is container'),
    type: stringFlag('type', 'Only inspect objects of the given type'),
  },
  arguments: atLeast(1),
  async run({ cli, flags, args, changed }) {
    const { type } = flags;
    const known = `must be one of "${types.join('", "')}"`;
    if (changed.has('type') && type === '') throw new CliError(`type is empty: ${known}`);
    if (type !== '' && !types.includes(type)) throw new CliError(`unknown type: ${JSON.stringify(type)}: ${known}`);
    if (type !== '' && !Object.hasOwn(fetchers, type)) {
      throw new CliError(`${type}s belong to swarm, which this engine does not have`);
    }
    const names = type === '' ? Object.keys(fetchers) : [type];
    return inspectAll(cli, args, flags.format, (name) => fetchFirst(cli, names, name, flags.size));
  },
});

export const inspectContainer = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Display detailed information on one or more containers',
  flags: { format: formatFlag, size: boolFlag('size,s', 'Display total file sizes') },
  arguments: atLeast(1),
  run: ({ cli, flags, args }) =>
    inspectAll(cli, args, flags.format, (name) => fetchFirst(cli, ['container'], name, flags.size)),
});

export const inspectImage = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  short: 'Display detailed information on one or more images',
  flags: {
    format: formatFlag,
    platform: stringFlag(
      'platform',
      `Inspect a specific platform of the multi-platform image.
If the image or the server is not multi-platform capable, the command will error out if the platform does not match.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
    ),
  },
  arguments: atLeast(1),
  run: ({ cli, flags, args }) =>
    inspectAll(cli, args, flags.format, (name) => fetchFirst(cli, ['image'], name, false, flags.platform)),
});

export const inspectVolume = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  short: 'Display detailed information on one or more volumes',
  flags: { format: formatFlag },
  arguments: atLeast(1),
  run: ({ cli, flags, args }) =>
    inspectAll(cli, args, flags.format, (name) => fetchFirst(cli, ['volume'], name, false)),
});

export const inspectNetwork = defineCommand({
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  short: 'Display detailed information on one or more networks',
  flags: { format: formatFlag, verbose: boolFlag('verbose,v', 'Verbose output for diagnostics') },
  arguments: atLeast(1),
  run: ({ cli, flags, args }) =>
    inspectAll(cli, args, flags.format, (name) => fetchFirst(cli, ['network'], name, false)),
});

interface Inspected {
  kind: string;
  /** The daemon's JSON. */
  text: string;
}

async function fetchFirst(
  cli: Cli,
  kinds: readonly string[],
  name: string,
  size: boolean,
  platform = '',
): Promise<Inspected> {
  for (const kind of kinds) {
    try {
      return { kind, text: await (fetchers[kind] as Fetch)(cli, name, { size, platform }) };
    } catch (error) {
      if (kinds.length === 1 || !isSkippable(error)) throw error;
    }
  }
  throw new CliError(`Error: No such object: ${name}`);
}

function isSkippable(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return [404, 501].includes(error.httpStatus) || /not supported|invalid reference format/.test(error.detail);
}

async function inspectAll(
  cli: Cli,
  names: readonly string[],
  format: string,
  fetch: (name: string) => Promise<Inspected>,
) {
  const template = format === '' || format === 'json' ? undefined : compileInspectTemplate(format);
  const found: string[] = [];
  const errors: string[] = [];
  let rendered = '';
  for (const name of names) {
    try {
      const inspected = await fetch(name);
      found.push(inspected.text);
      if (template) rendered += `${renderOne(template, inspected)}\n`;
    } catch (error) {
      errors.push(messageOf(error));
      if (error instanceof TemplateFailure) break;
    }
  }
  if (template) cli.out.print(rendered === '' ? '\n' : rendered);
  else if (format === 'json') cli.out.line(`[${found.map((text) => goJson(parseExactJson(text))).join(',')}]`);
  else cli.out.line(found.length === 0 ? '[]' : indentJson(`[${found.join(',')}]`, '    '));
  if (errors.length > 0) throw new CliError(errors.join('\n'));
  return 0;
}

class TemplateFailure extends CliError {}

/** Docker's exit status for a template that cannot be parsed. */
const badTemplateStatus = 64;

function compileInspectTemplate(source: string): CompiledTemplate {
  try {
    return compileTemplate(source);
  } catch (error) {
    throw new CliError(`template parsing error: ${messageOf(error)}`, badTemplateStatus);
  }
}

function renderOne(template: CompiledTemplate, { kind, text }: Inspected): string {
  try {
    return renderInspected(template, kind, () => parseExactJson(text));
  } catch (error) {
    throw new TemplateFailure(`template parsing error: ${messageOf(error)}`);
  }
}
