// What `--check` answers: BuildKit's JSON of its subrequest "frontend.lint", and the text that buildx prints.
import { excerpt } from '../dockerfile-error.ts';
import { type JsonLocation, jsonLocation } from '../json-location.ts';
import type { LintResult } from './lint.ts';
import { rules, ruleUrl } from './rules.ts';

export interface LintJson {
  warnings: LintWarningJson[] | null;
  sources: { filename: string; data: string; language: 'Dockerfile' }[];
  buildError?: { message: string; location: JsonLocation };
}

interface LintWarningJson {
  ruleName: string;
  description: string;
  url?: string;
  detail: string;
  location: JsonLocation;
}

export function lintJson({ warnings, error }: LintResult, fileName: string, text: string): LintJson {
  const shown = warnings.map(({ rule, detail, lines }): LintWarningJson => {
    const url = ruleUrl(rule);
    return {
      ruleName: rule,
      description: rules[rule].description,
      ...(url === undefined ? {} : { url }),
      detail,
      location: jsonLocation(lines),
    };
  });
  return {
    warnings: shown.length === 0 ? null : shown,
    sources: [{ filename: fileName, data: Buffer.from(text).toString('base64'), language: 'Dockerfile' }],
    ...(error === undefined ? {} : { buildError: { message: error.message, location: jsonLocation(error.lines) } }),
  };
}

/** Each warning with the lines it is about, in the file's order; the error last. */
export function lintText({ warnings, error }: LintResult, fileName: string, text: string): string {
  const parts: string[] = [];
  if (warnings.length > 0 || error === undefined) parts.push(`Check complete, ${countText(warnings.length)}\n`);
  for (const { rule, detail, lines } of warnings.toSorted((one, other) => one.lines.start - other.lines.start)) {
    const url = ruleUrl(rule);
    const title = `WARNING: ${rule}${url === undefined ? '' : ` - ${url}`}`;
    parts.push(`${title}\n${detail}\n${excerpt(fileName, text, lines)}`);
  }
  if (error !== undefined) {
    const where = error.lines === undefined ? '' : excerpt(fileName, text, error.lines);
    parts.push(`ERROR: ${error.message}\n${where}`);
  }
  return parts.join('\n');
}

function countText(count: number): string {
  if (count === 0) return 'no warnings found.';
  return count === 1 ? '1 warning has been found!' : `${count} warnings have been found!`;
}

/** What a command that checks exits with. */
export function lintStatus({ warnings, error }: LintResult): 0 | 1 {
  return warnings.length > 0 || error !== undefined ? 1 : 0;
}
