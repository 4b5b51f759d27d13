// A container in a list: what `ps` and `system df` show of it and what a template can name.
import type { ContainerSummary, Port } from '../../daemon/docker-types/container.ts';
import { humanSize, timeAgo } from '../../daemon/protocols/units/human-units.ts';
import { ellipsis } from '../formats/display-width.ts';
import { goQuote, goTime } from '../formats/go-text.ts';
import { parseReference } from '../options/reference.ts';
import { Struct } from '../template/values.ts';

export const containerTable =
  'table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}\\t{{.Names}}';

/** Docker's old `--format raw`. */
export function rawContainerFormat(size: boolean, quiet: boolean): string {
  if (quiet) return 'container_id: {{.ID}}';
  const fields = 'container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}';
  const padded = 'state:{{pad .State 1 0}}\nstatus:{{pad .Status 1 0}}\nnames: {{.Names}}\nlabels:{{pad .Labels 1 0}}';
  return `${fields}\n${padded}\nports:{{pad .Ports 1 0}}\n${size ? 'size: {{.Size}}\n' : ''}`;
}

export const containerHeaders: Record<string, string> = {
  ID: 'CONTAINER ID',
  Names: 'NAMES',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Ports: 'PORTS',
  State: 'STATE',
  Status: 'STATUS',
  Size: 'SIZE',
  Labels: 'LABELS',
  Mounts: 'MOUNTS',
  LocalVolumes: 'LOCAL VOLUMES',
  Networks: 'NETWORKS',
  Platform: 'PLATFORM',
};

/** The first twelve digits, without the digest's algorithm. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}

export function containerView(container: ContainerSummary, truncate: boolean): Struct {
  const labels = container.Labels ?? {};
  const mounts = container.Mounts ?? [];
  return new Struct(
    '*formatter.ContainerContext',
    {
      ID: () => (truncate ? shortId(container.Id) : container.Id),
      Names: () => names(container.Names ?? [], truncate),
      Image: () => imageName(container, truncate),
      Command: () => goQuote(truncate ? ellipsis(container.Command, 20) : container.Command),
      CreatedAt: () => goTime(container.Created),
      RunningFor: () => timeAgo(container.Created),
      Platform: () => null,
      Ports: () => displayPorts(container.Ports ?? []),
      State: () => container.State,
      Status: () => container.Status,
      Size: () => displaySize(container),
      Labels: () =>
        Object.entries(labels)
          .map(([key, value]) => `${key}=${value}`)
          .sort()
          .join(','),
      Mounts: () => mounts.map((mount) => (truncate ? ellipsis : identity)(mount.Name || mount.Source, 15)).join(','),
      LocalVolumes: () => String(mounts.filter((mount) => mount.Driver === 'local').length),
      Networks: () => Object.keys(container.NetworkSettings?.Networks ?? {}).join(','),
    },
    { Label: (name) => (Object.hasOwn(labels, String(name)) ? labels[String(name)] : '') },
  );
}

const identity = (text: string, _width: number) => text;

function names(given: readonly string[], truncate: boolean): string {
  const plain = given.map((name) => name.replace(/^\//, ''));
  // Names with a slash inside are those of links.
  return truncate ? (plain.find((name) => !name.includes('/')) ?? '') : plain.join(',');
}

function imageName({ Image, ImageID }: ContainerSummary, truncate: boolean): string {
  if (Image === '') return '<no image>';
  if (!truncate) return Image;
  if (shortId(ImageID) === shortId(Image)) return shortId(ImageID);
  if (!Image.includes('@')) return Image;
  try {
    const { familiarName, tag } = parseReference(Image);
    return tag === undefined ? familiarName : `${familiarName}:${tag}`;
  } catch {
    return Image;
  }
}

function displaySize({ SizeRw = 0, SizeRootFs = 0 }: ContainerSummary): string {
  const own = humanSize(SizeRw, 3);
  return SizeRootFs > 0 ? `${own} (virtual ${humanSize(SizeRootFs, 3)})` : own;
}

interface PortGroup {
  ip: string;
  type: string;
  first: number;
  last: number;
}

/** `0.0.0.0:80-81->80-81/tcp`: neighbours that are published under their own number are joined. */
function displayPorts(ports: readonly Port[]): string {
  const sorted = [...ports].sort(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      compare(a.IP ?? '', b.IP ?? '') ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      compare(a.Type, b.Type),
  );
  const groups = new Map<string, PortGroup>();
  const done: string[] = [];
  const mapped: string[] = [];
  for (const port of sorted) {
    const ip = port.IP ?? '';
    if (ip !== '' && port.PublicPort !== port.PrivatePort) {
      mapped.push(`${joinAddress(ip, String(port.PublicPort))}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = `${ip}/${port.Type}`;
    const group = groups.get(key);
    if (group && port.PrivatePort === group.last + 1) {
      group.last = port.PrivatePort;
      continue;
    }
    if (group) done.push(displayGroup(group));
    groups.set(key, { ip, type: port.Type, first: port.PrivatePort, last: port.PrivatePort });
  }
  return [...done, ...[...groups.values()].map(displayGroup), ...mapped].join(', ');
}

function displayGroup({ ip, type, first, last }: PortGroup): string {
  const range = first === last ? String(first) : `${first}-${last}`;
  return `${ip === '' ? '' : `${joinAddress(ip, range)}->`}${range}/${type}`;
}

function joinAddress(ip: string, port: string): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
