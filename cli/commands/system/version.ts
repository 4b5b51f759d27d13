import type { SystemVersion } from '../../../daemon/docker-types/system.ts';
import { stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { clientApiVersion } from '../../client/api-client.ts';
import { defineCommand, none } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf } from '../../errors.ts';
import { alignTable } from '../../formats/table-writer.ts';
import { inspectFormatHelp } from '../../options/format-help.ts';
import { type CompiledTemplate, compileTemplate } from '../../template/render.ts';
import { clientCommit, clientVersion, goArchitecture } from '../../version.ts';

export const version = defineCommand({
  usage: '[OPTIONS]',
  short: 'Show the tsdocker version information',
  flags: { format: stringFlag('format,f', inspectFormatHelp) },
  arguments: none,
  async run({ cli, flags }) {
    const source = flags.format === 'json' ? '{{json .}}' : flags.format;
    const template = source === '' ? undefined : compile(source);
    let server: SystemVersion | null = null;
    let failure: unknown;
    try {
      await cli.client.ping();
      server = await cli.client.get<SystemVersion>('/version');
    } catch (error) {
      failure = error;
    }
    const data = { Client: clientInfo(cli), Server: server };
    if (template) cli.out.line(render(template, data));
    else cli.out.print(alignTable(describe(data), { minWidth: 20, padding: 1 }));
    if (failure !== undefined) throw failure;
    return 0;
  },
});

/** Docker's fields that an API leaves out when they are empty, or that this client has nothing for. */
const omitted = new Set(['BuildTime', 'Experimental', 'GoVersion', 'KernelVersion', 'Platform', 'Details']);

interface Both {
  Client: ReturnType<typeof clientInfo>;
  Server: SystemVersion | null;
}

function render(template: CompiledTemplate, { Client, Server }: Both): string {
  // Maps: any key may be asked for.
  const details = new Set<unknown>(Server?.Components?.map((component) => component.Details));
  try {
    return template.render(
      { Client: withGoNames(Client), Server: withGoNames(Server) },
      {
        missingKey(key, owner) {
          if (details.has(owner)) return undefined;
          if (omitted.has(key)) return '';
          throw new Error(`can't evaluate field ${key} in type system.versionInfo`);
        },
      },
    );
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}

function compile(source: string) {
  try {
    return compileTemplate(source);
  } catch (error) {
    throw new CliError(`template parsing error: ${messageOf(error)}`, 64);
  }
}

/** Docker's templates say APIVersion, the name of the field in Go; JSON says ApiVersion, and must not say both. */
function withGoNames<T extends { ApiVersion?: string } | null>(info: T): T {
  if (info !== null) Object.defineProperty(info, 'APIVersion', { value: info.ApiVersion, enumerable: false });
  return info;
}

export function clientInfo(cli: Cli) {
  return {
    Version: clientVersion,
    ApiVersion: cli.client.version,
    DefaultAPIVersion: clientApiVersion,
    GitCommit: clientCommit,
    NodeVersion: process.version,
    Os: process.platform,
    Arch: goArchitecture(),
    Context: cli.options.context,
  };
}

function describe({ Client: client, Server: server }: Both) {
  const isOlder = client.ApiVersion !== client.DefaultAPIVersion;
  const lines = [
    'Client:',
    ` Version:\t${client.Version}`,
    ` API version:\t${client.ApiVersion}${isOlder ? ` (downgraded from ${client.DefaultAPIVersion})` : ''}`,
    ` Node version:\t${client.NodeVersion}`,
    ` Git commit:\t${client.GitCommit}`,
    ` OS/Arch:\t${client.Os}/${client.Arch}`,
    ` Context:\t${client.Context}`,
  ];
  if (server)
    lines.push('', `Server:${server.Platform?.Name ? ` ${server.Platform.Name}` : ''}`, ...describeServer(server));
  return `${lines.join('\n')}\n`;
}

function describeServer(server: SystemVersion): string[] {
  const lines: string[] = [];
  for (const component of server.Components ?? []) {
    const details = component.Details ?? {};
    lines.push(` ${component.Name}:`, `  Version:\t${component.Version}`);
    if (component.Name === 'Engine') {
      lines.push(
        `  API version:\t${details.ApiVersion} (minimum version ${details.MinAPIVersion})`,
        `  ${details.NodeVersion ? 'Node version' : 'Go version'}:\t${details.NodeVersion ?? details.GoVersion ?? ''}`,
        `  Git commit:\t${details.GitCommit ?? ''}`,
        ...(details.BuildTime ? [`  Built:\t${builtDate(details.BuildTime)}`] : []),
        `  OS/Arch:\t${details.Os}/${details.Arch}`,
        `  Experimental:\t${details.Experimental}`,
      );
    } else {
      for (const key of Object.keys(details).sort()) lines.push(`  ${key}:\t${details[key]}`);
    }
  }
  return lines;
}

/** Go's ANSIC layout: `Thu May  7 21:09:36 2026`. */
function builtDate(text: string): string {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const [weekday = '', day = '', month = '', year = '', time = ''] = date.toUTCString().replace(',', '').split(' ');
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`;
}
