// `docker build --call=targets`: the stages. BuildKit's subrequest "frontend.targets", and the text that buildx prints.
import { type JsonLocation, jsonLocation } from '../json-location.ts';
import { parseDockerfile } from '../parse-dockerfile.ts';
import { readStages } from '../stages.ts';
import { describedBy } from './description.ts';
import { textTable } from './text-table.ts';

export interface TargetsJson {
  targets: TargetJson[];
  sources: string[];
}

interface TargetJson {
  name?: string;
  default?: true;
  description?: string;
  /** As it is written. */
  base: string;
  platform?: string;
  location: JsonLocation;
}

/** Throws a DockerfileError. */
export function targets(text: string): TargetsJson {
  const { all } = readStages(parseDockerfile(text));
  return {
    targets: all.map(({ index, from }): TargetJson => {
      const { name, comments, base, platform, lines } = from;
      const description = name === undefined ? undefined : describedBy(comments, name);
      return {
        ...(name === undefined ? {} : { name }),
        ...(index === all.length - 1 ? { default: true } : {}),
        ...(description === undefined ? {} : { description }),
        base,
        ...(platform === undefined ? {} : { platform }),
        location: jsonLocation(lines),
      };
    }),
    sources: [Buffer.from(text).toString('base64')],
  };
}

export function targetsText({ targets: all }: TargetsJson): string {
  const rows = all.map(({ name = '', default: isDefault, description = '' }) => {
    const shown = isDefault === true ? `${name} (default)`.trimStart() : name;
    return [shown, description];
  });
  return textTable([['TARGET', 'DESCRIPTION'], ...rows], 1);
}
