import type { ContainerSummary } from '../../../daemon/docker-types/container.ts';
import type { ImageSummary } from '../../../daemon/docker-types/image.ts';
import type { BuildCache, DiskUsage } from '../../../daemon/docker-types/system.ts';
import type { Volume } from '../../../daemon/docker-types/volume.ts';
import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { humanSize, timeAgo } from '../../../daemon/protocols/units/human-units.ts';
import { defineCommand, none } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { listFormatHelp } from '../../options/format-help.ts';
import { Struct } from '../../template/values.ts';
import { containerHeaders, containerView, shortId } from '../../views/container-view.ts';
import { imageHeaders, imageRows, imageView } from '../../views/image-view.ts';
import { compile, parseListFormat, render, renderList } from '../../views/list.ts';
import { volumeHeaders, volumeView } from '../../views/volume-view.ts';

const summaryHeaders = {
  Type: 'TYPE',
  TotalCount: 'TOTAL',
  Active: 'ACTIVE',
  Size: 'SIZE',
  Reclaimable: 'RECLAIMABLE',
};
const columns = (...names: string[]) => `table ${names.map((name) => `{{.${name}}}`).join('\\t')}`;

export const systemDf = defineCommand({
  usage: '[OPTIONS]',
  short: 'Show tsdocker disk usage',
  flags: {
    format: stringFlag('format', listFormatHelp),
    verbose: boolFlag('verbose,v', 'Show detailed information on space usage'),
  },
  arguments: none,
  async run({ cli, flags }) {
    const usage = await cli.client.get<DiskUsage>('/system/df');
    if (flags.verbose) printDetails(cli, usage, flags.format);
    else {
      const format = parseListFormat(flags.format || 'table', columns(...Object.keys(summaryHeaders)));
      cli.out.print(renderList(format, summaryHeaders, summary(usage)));
    }
    return 0;
  },
});

function summary(usage: DiskUsage): Struct[] {
  const images = usage.Images ?? [];
  const containers = usage.Containers ?? [];
  const volumes = usage.Volumes ?? [];
  const cache = usage.BuildCache ?? [];
  const used = images.filter((image) => image.Containers > 0);
  // What only unused images have: their layers less those they share.
  const imageSpace = images
    .filter((image) => image.Containers === 0)
    .reduce((sum, image) => sum + image.Size - Math.max(0, image.SharedSize), 0);
  const usedSpace = used.reduce(
    (sum, image) => sum + (image.Size === -1 || image.SharedSize === -1 ? 0 : image.Size - image.SharedSize),
    0,
  );
  const reclaimable = usage.LayersSize === 0 ? imageSpace : usage.LayersSize - usedSpace;
  const isLive = (container: ContainerSummary) => ['running', 'paused', 'restarting'].includes(container.State);
  const live = containers.filter(isLive);
  const size = (list: readonly ContainerSummary[]) => list.reduce((sum, container) => sum + (container.SizeRw ?? 0), 0);
  const volumeSize = (list: readonly Volume[]) =>
    list.reduce((sum, { UsageData }) => sum + Math.max(0, UsageData?.Size ?? 0), 0);
  const freeVolumes = volumes.filter((volume) => (volume.UsageData?.RefCount ?? 0) === 0);
  const cacheSize = (list: readonly BuildCache[]) =>
    list.reduce((sum, entry) => sum + (entry.Shared ? 0 : entry.Size), 0);
  const inUse = cache.filter((entry) => entry.InUse);
  return [
    row('Images', images.length, used.length, usage.LayersSize, reclaimable),
    row('Containers', containers.length, live.length, size(containers), size(containers) - size(live)),
    row(
      'Local Volumes',
      volumes.length,
      volumes.length - freeVolumes.length,
      volumeSize(volumes),
      volumeSize(freeVolumes),
    ),
    row('Build Cache', cache.length, inUse.length, cacheSize(cache), cacheSize(cache) - cacheSize(inUse), false),
  ];
}

function row(
  type: string,
  total: number,
  active: number,
  size: number,
  reclaimable: number,
  withPercent = true,
): Struct {
  const percent = size > 0 && withPercent ? ` (${Math.trunc((reclaimable * 100) / size)}%)` : '';
  return new Struct('*formatter.diskUsageContext', {
    Type: () => type,
    TotalCount: () => String(total),
    Active: () => String(active),
    Size: () => humanSize(size),
    Reclaimable: () => `${humanSize(reclaimable)}${percent}`,
  });
}

function printDetails(cli: Cli, usage: DiskUsage, format: string): void {
  const isTable = format === '' || format === 'table';
  const images = (usage.Images ?? []).map((image) => imageView(image, firstRow(image), isTable));
  // The shared part of a container is its image's.
  const containers = (usage.Containers ?? []).map((container) =>
    containerView({ ...container, SizeRootFs: 0 }, isTable),
  );
  const volumes = (usage.Volumes ?? []).map(volumeView);
  const cache = (usage.BuildCache ?? []).map(cacheView);
  if (!isTable) {
    const template = compile(format === 'json' ? '{{json .}}' : format);
    const data = { Images: images, Containers: containers, Volumes: volumes, BuildCache: cache };
    cli.out.print(`${render(() => template.render(data))}${format === 'json' ? '\n' : ''}`);
    return;
  }
  const table = (title: string, names: string[], headers: Record<string, string>, rows: Struct[]) =>
    `${title}\n\n${renderList(parseListFormat('table', columns(...names)), headers, rows)}`;
  const cacheSize = (usage.BuildCache ?? []).reduce((sum, entry) => sum + entry.Size, 0);
  cli.out.print(
    [
      table(
        'Images space usage:',
        ['Repository', 'Tag', 'ID', 'CreatedSince', 'Size', 'SharedSize', 'UniqueSize', 'Containers'],
        imageHeaders,
        images,
      ),
      table(
        'Containers space usage:',
        ['ID', 'Image', 'Command', 'LocalVolumes', 'Size', 'RunningFor', 'Status', 'Names'],
        containerHeaders,
        containers,
      ),
      table('Local Volumes space usage:', ['Name', 'Links', 'Size'], volumeHeaders, volumes),
      table(
        `Build cache usage: ${humanSize(cacheSize)}`,
        ['ID', 'CacheType', 'Size', 'CreatedSince', 'LastUsedSince', 'UsageCount', 'Shared'],
        cacheHeaders,
        cache,
      ),
    ].join('\n'),
  );
}

function firstRow(image: ImageSummary) {
  const [first] = imageRows(image, false);
  return first ?? { repository: '<none>', tag: '<none>', digest: '<none>' };
}

const cacheHeaders = {
  ID: 'CACHE ID',
  CacheType: 'CACHE TYPE',
  Size: 'SIZE',
  CreatedSince: 'CREATED',
  LastUsedSince: 'LAST USED',
  UsageCount: 'USAGE',
  Shared: 'SHARED',
};

function cacheView(entry: BuildCache): Struct {
  const since = (text: string | null) => (text ? timeAgo(Date.parse(text) / 1000) : '');
  return new Struct('*formatter.buildCacheContext', {
    ID: () => shortId(entry.ID),
    CacheType: () => entry.Type,
    Size: () => humanSize(entry.Size, 3),
    CreatedSince: () => since(entry.CreatedAt),
    LastUsedSince: () => since(entry.LastUsedAt),
    UsageCount: () => String(entry.UsageCount),
    Shared: () => String(entry.Shared),
  });
}
