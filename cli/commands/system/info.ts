import type { SystemInfo } from '../../../daemon/docker-types/system.ts';
import { stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { binarySize } from '../../../daemon/protocols/units/human-units.ts';
import { defineCommand, none } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf } from '../../errors.ts';
import { inspectFormatHelp } from '../../options/format-help.ts';
import { compileTemplate } from '../../template/render.ts';
import { clientVersion } from '../../version.ts';
import { clientInfo } from './version.ts';

export const info = defineCommand({
  usage: '[OPTIONS]',
  short: 'Display system-wide information',
  aliases: ['system info', 'info'],
  flags: { format: stringFlag('format,f', inspectFormatHelp) },
  arguments: none,
  async run({ cli, flags }) {
    let server: SystemInfo | undefined;
    let failure: string | undefined;
    try {
      server = await cli.client.get<SystemInfo>('/info');
    } catch (error) {
      failure = messageOf(error);
    }
    if (flags.format !== '') {
      if (failure !== undefined) cli.err.line(failure);
      cli.out.line(format(cli, flags.format, server, failure));
      return 0;
    }
    const client = [
      'Client:',
      ` Version:    ${clientVersion}`,
      ` Context:    ${cli.options.context}`,
      ` Debug Mode: ${cli.options.debug}`,
    ];
    cli.out.print(`${client.join('\n')}\n\nServer:\n`);
    if (server) {
      cli.out.print(`${describeServer(server, cli.options.debug).join('\n')}\n\n`);
      for (const warning of server.Warnings ?? []) cli.err.line(warning);
    }
    if (failure !== undefined) {
      cli.err.line(`ERROR: ${failure}`);
      throw new CliError('errors pretty printing info');
    }
    return 0;
  },
});

function format(cli: Cli, source: string, server: SystemInfo | undefined, failure: string | undefined): string {
  const data = {
    ...server,
    ...(failure === undefined ? {} : { ServerErrors: [failure] }),
    ClientInfo: { Debug: cli.options.debug, ...clientInfo(cli), Plugins: [], Warnings: null },
  };
  const template = compile(source === 'json' ? '{{json .}}' : source);
  try {
    return template.render(data, {
      missingKey(key) {
        throw new Error(`can't evaluate field ${key} in type system.dockerInfo`);
      },
    });
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

type Line = readonly [title: string, value: string | number | boolean | undefined];

/** Lines without a value are left out. */
function lines(pairs: readonly Line[]): string[] {
  return pairs
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([title, value]) => ` ${title}: ${value}`);
}

function describeServer(server: SystemInfo, clientDebug: boolean): string[] {
  return [
    ` Containers: ${server.Containers}`,
    `  Running: ${server.ContainersRunning}`,
    `  Paused: ${server.ContainersPaused}`,
    `  Stopped: ${server.ContainersStopped}`,
    ...lines([
      ['Images', server.Images],
      ['Server Version', server.ServerVersion],
      ['Storage Driver', server.Driver],
    ]),
    ...(server.DriverStatus ?? []).map(([key, value]) => `  ${key}: ${value}`),
    ...lines([
      ['Logging Driver', server.LoggingDriver],
      ['Cgroup Driver', server.CgroupDriver],
      ['Cgroup Version', server.CgroupVersion],
    ]),
    ...plugins(server),
    ...section('CDI spec directories', server.CDISpecDirs ?? []),
    ` Swarm: ${server.Swarm.LocalNodeState}`,
    ...runtimes(server),
    ...lines([
      ['Kernel Version', server.KernelVersion],
      ['Operating System', server.OperatingSystem],
      ['OSType', server.OSType],
      ['Architecture', server.Architecture],
      ['CPUs', server.NCPU],
      ['Total Memory', binarySize(server.MemTotal)],
      ['Name', server.Name],
      ['ID', server.ID],
    ]),
    ` Docker Root Dir: ${server.DockerRootDir}`,
    ` Debug Mode: ${server.Debug}`,
    ...debugLines(server, clientDebug),
    ...lines([
      ['HTTP Proxy', server.HttpProxy],
      ['HTTPS Proxy', server.HttpsProxy],
      ['No Proxy', server.NoProxy],
    ]),
    ...section('Labels', server.Labels ?? []),
    ` Experimental: ${server.ExperimentalBuild}`,
    ...registries(server),
    ` Live Restore Enabled: ${server.LiveRestoreEnabled}`,
  ];
}

function section(title: string, items: readonly string[]): string[] {
  return items.length === 0 ? [] : [` ${title}:`, ...items.map((item) => `  ${item}`)];
}

function plugins({ Plugins }: SystemInfo): string[] {
  const join = (names: readonly string[] | null) => (names ?? []).join(' ');
  return [
    ' Plugins:',
    `  Volume: ${join(Plugins.Volume)}`,
    `  Network: ${join(Plugins.Network)}`,
    ...(Plugins.Authorization?.length ? [`  Authorization: ${join(Plugins.Authorization)}`] : []),
    `  Log: ${join(Plugins.Log)}`,
  ];
}

function runtimes(server: SystemInfo): string[] {
  const names = Object.keys(server.Runtimes ?? {}).sort();
  return [
    ...(names.length > 0 ? [` Runtimes: ${names.join(' ')}`, ` Default Runtime: ${server.DefaultRuntime}`] : []),
    ...lines([
      ['Init Binary', server.InitBinary],
      ['containerd version', server.ContainerdCommit?.ID],
      ['runc version', server.RuncCommit?.ID],
      ['init version', server.InitCommit?.ID],
    ]),
    ...securityOptions(server.SecurityOptions ?? []),
  ];
}

/** `name=seccomp,profile=builtin` becomes two lines. */
function securityOptions(options: readonly string[]): string[] {
  if (options.length === 0) return [];
  const result = [' Security Options:'];
  for (const option of options) {
    for (const pair of option.split(',')) {
      const [key, value = ''] = pair.split('=', 2);
      if (key === 'name' || !pair.includes('=')) result.push(`  ${key === 'name' ? value : pair}`);
      else if (key === 'profile') result.push(`   Profile: ${value}`);
    }
  }
  return result;
}

function debugLines(server: SystemInfo, clientDebug: boolean): string[] {
  if (!server.Debug && !clientDebug) return [];
  return [
    `  File Descriptors: ${server.NFd}`,
    `  Goroutines: ${server.NGoroutines}`,
    `  System Time: ${server.SystemTime}`,
    `  EventsListeners: ${server.NEventsListener}`,
  ];
}

function registries({ RegistryConfig: config }: SystemInfo): string[] {
  if (!config) return [];
  const insecure = Object.values(config.IndexConfigs ?? {})
    .filter((index) => !index.Secure)
    .map((index) => index.Name);
  return [
    ...section('Insecure Registries', [...insecure, ...(config.InsecureRegistryCIDRs ?? [])]),
    ...section('Registry Mirrors', config.Mirrors ?? []),
  ];
}
