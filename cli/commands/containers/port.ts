import { segment } from '../../client/api-client.ts';
import { between, defineCommand } from '../../command.ts';
import { CliError } from '../../errors.ts';

interface Inspected {
  NetworkSettings?: { Ports?: Record<string, { HostIp: string; HostPort: string }[] | null> };
}

export const port = defineCommand({
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  short: 'List port mappings or a specific mapping for the container',
  aliases: ['container port', 'port'],
  flags: {},
  arguments: between(1, 2),
  async run({ cli, args: [name = '', wanted] }) {
    const container = await cli.client.get<Inspected>(`/containers/${segment(name)}/json`);
    const ports = new Map(Object.entries(container.NetworkSettings?.Ports ?? {}));
    const address = ({ HostIp, HostPort }: { HostIp: string; HostPort: string }) =>
      HostIp.includes(':') ? `[${HostIp}]:${HostPort}` : `${HostIp}:${HostPort}`;
    if (wanted !== undefined) {
      const key = wanted.includes('/') ? wanted : `${wanted}/tcp`;
      const bindings = ports.get(key);
      if (!bindings?.length) throw new CliError(`Error: No public port '${wanted}' published for ${name}`);
      cli.out.print(bindings.map((binding) => `${address(binding)}\n`).join(''));
      return 0;
    }
    const lines = [...ports].flatMap(([key, bindings]) =>
      (bindings ?? []).map((binding) => ({ key, text: `${key} -> ${address(binding)}\n` })),
    );
    const numberOf = (key: string) => Number.parseInt(key, 10);
    lines.sort((a, b) => numberOf(a.key) - numberOf(b.key) || (a.text < b.text ? -1 : 1));
    cli.out.print(lines.map((line) => line.text).join(''));
    return 0;
  },
});
