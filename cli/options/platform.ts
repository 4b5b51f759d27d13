// `--platform os/arch/variant` as the JSON object that image routes take.
import { CliError } from '../errors.ts';

/** Undefined when nothing was asked for. */
export function platformJson(text: string): string | undefined {
  if (text === '') return undefined;
  const match = /^([a-z0-9]+)(?:\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?)?$/i.exec(text);
  if (!match) throw new CliError(`invalid platform: ${JSON.stringify(text)}: want os[/arch[/variant]]`);
  const [, first = '', second, variant] = match;
  const platform =
    second === undefined && first.toLowerCase() !== 'linux'
      ? { architecture: first.toLowerCase(), os: 'linux' }
      : { architecture: second?.toLowerCase() ?? '', os: first.toLowerCase() };
  return JSON.stringify(variant === undefined ? platform : { ...platform, variant });
}
