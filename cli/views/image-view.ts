// An image in a list: what `images` and `system df` show of it.
import type { ImageSummary } from '../../daemon/docker-types/image.ts';
import { humanSize, timeAgo } from '../../daemon/protocols/units/human-units.ts';
import { goTime } from '../formats/go-text.ts';
import { parseReference } from '../options/reference.ts';
import { Struct } from '../template/values.ts';
import { shortId } from './container-view.ts';

const created = '{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}';
export const imageTable = `table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t${created}\\t{{.Size}}`;
export const imageTableWithDigest = `table {{.Repository}}\\t{{.Tag}}\\t{{.Digest}}\\t{{.ID}}\\t${created}\\t{{.Size}}`;

/** Docker's old `--format raw`. */
export function rawImageFormat(digests: boolean, quiet: boolean): string {
  if (quiet) return 'image_id: {{.ID}}';
  const digest = digests ? 'digest: {{.Digest}}\n' : '';
  return `repository: {{.Repository}}\ntag: {{.Tag}}\n${digest}image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n`;
}

export const imageHeaders: Record<string, string> = {
  ID: 'IMAGE ID',
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  Containers: 'CONTAINERS',
  VirtualSize: 'SIZE',
  SharedSize: 'SHARED SIZE',
  UniqueSize: 'UNIQUE SIZE',
};

const missing = '<none>';

export interface ImageRow {
  repository: string;
  tag: string;
  digest: string;
}

/** One row per tag (and digest, when they are shown); one for an image without a name. */
export function imageRows(image: ImageSummary, showDigests: boolean): ImageRow[] {
  const tags = (image.RepoTags ?? []).filter((text) => !text.startsWith(missing)).map(tryReference);
  const digests = (image.RepoDigests ?? []).filter((text) => !text.startsWith(missing)).map(tryReference);
  const rows: ImageRow[] = [];
  const repositories = new Set<string>();
  for (const reference of tags) {
    if (reference?.tag === undefined) continue;
    const repository = reference.familiarName;
    repositories.add(repository);
    const own = showDigests ? digests.filter((other) => other?.familiarName === repository) : [];
    const digestTexts = own.length > 0 ? own.map((other) => other?.digest ?? missing) : [missing];
    for (const digest of digestTexts) rows.push({ repository, tag: reference.tag, digest });
  }
  for (const reference of digests) {
    if (reference?.digest === undefined || repositories.has(reference.familiarName)) continue;
    if (!showDigests) repositories.add(reference.familiarName);
    rows.push({ repository: reference.familiarName, tag: missing, digest: showDigests ? reference.digest : '' });
  }
  return rows.length > 0 ? rows : [{ repository: missing, tag: missing, digest: missing }];
}

function tryReference(text: string) {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

export function imageView(image: ImageSummary, row: ImageRow, truncate: boolean): Struct {
  const size = (bytes: number) => (bytes === -1 ? 'N/A' : humanSize(bytes));
  return new Struct('*formatter.imageContext', {
    ID: () => (truncate ? shortId(image.Id) : image.Id),
    Repository: () => row.repository,
    Tag: () => row.tag,
    Digest: () => row.digest,
    CreatedSince: () => timeAgo(image.Created),
    CreatedAt: () => goTime(image.Created),
    Size: () => humanSize(image.Size, 3),
    Containers: () => (image.Containers === -1 ? 'N/A' : String(image.Containers)),
    VirtualSize: () => humanSize(image.Size),
    SharedSize: () => size(image.SharedSize),
    UniqueSize: () => (image.SharedSize === -1 ? 'N/A' : humanSize(image.Size - image.SharedSize)),
  });
}
