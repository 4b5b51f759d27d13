// `# check=skip=JSONArgsRecommended;error=true`, and the same in the build argument BUILDKIT_DOCKERFILE_CHECK.
import { FormatError } from '../../../protocols/format-error.ts';
import { type RuleName, rules } from './rules.ts';

export interface CheckOptions {
  skipped: 'all' | ReadonlySet<string>;
  experimental: 'all' | ReadonlySet<string>;
  /** A warning is an error. */
  isError: boolean;
}

const mostParts = 3;

/** Throws a FormatError in docker's words. */
export function readCheckOptions(text: string): CheckOptions {
  const options: CheckOptions = { skipped: new Set(), experimental: new Set(), isError: false };
  if (text.trim() === '') return options;
  for (const part of splitParts(text.trim())) {
    const equals = part.indexOf('=');
    if (equals < 0) throw failure(`invalid check option ${JSON.stringify(part)}`);
    const key = part.slice(0, equals).trim();
    const value = part.slice(equals + 1).trim();
    if (key === 'skip') options.skipped = namesOf(value);
    else if (key === 'experimental') options.experimental = namesOf(value);
    else if (key === 'error') options.isError = boolOf(value, part);
    else throw failure(`invalid check option ${JSON.stringify(key)}`);
  }
  return options;
}

export function isWanted(name: RuleName, { skipped, experimental }: CheckOptions): boolean {
  if (rules[name].isExperimental) return experimental === 'all' || experimental.has(name);
  return skipped !== 'all' && !skipped.has(name);
}

/** What is behind the second `;` is one part. */
function splitParts(text: string): string[] {
  const parts = text.split(';');
  if (parts.length <= mostParts) return parts;
  return [...parts.slice(0, mostParts - 1), parts.slice(mostParts - 1).join(';')];
}

function namesOf(value: string): 'all' | Set<string> {
  return value === 'all' ? 'all' : new Set(value.split(',').map((name) => name.trim()));
}

function boolOf(value: string, part: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  const why = `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;
  throw failure(`failed to parse check option ${JSON.stringify(part)}: ${why}`);
}

function failure(message: string): FormatError {
  return new FormatError(`failed to parse check options: ${message}`);
}
