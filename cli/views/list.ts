// Renders a list of things as a table, as JSON lines or through the user's template: docker's `--format`.
import { CliError, messageOf } from '../errors.ts';
import { alignTable, listLayout } from '../formats/table-writer.ts';
import { type CompiledTemplate, compileTemplate } from '../template/render.ts';
import type { Struct } from '../template/values.ts';

export interface ListFormat {
  template: CompiledTemplate;
  isTable: boolean;
}

/** `table`, `table TEMPLATE`, `json` or a template; `defaultTable` is what the plain `table` shows. */
export function parseListFormat(format: string, defaultTable: string, raw?: string): ListFormat {
  if (format === 'raw' && raw !== undefined) return { template: compile(raw), isTable: false };
  const chosen = format === 'table' || format === '' ? defaultTable : format;
  const isTable = chosen.startsWith('table');
  let source = isTable ? chosen.slice('table'.length) : chosen;
  if (chosen === 'json') source = '{{json .}}';
  source = source.trim().replaceAll('\\t', '\t').replaceAll('\\n', '\n');
  return { template: compile(source), isTable };
}

export function renderList(format: ListFormat, headers: Record<string, string>, rows: readonly Struct[]): string {
  const lines = rows.map((row) => `${render(() => format.template.render(row))}\n`);
  if (!format.isTable) return lines.join('');
  const header = render(() => format.template.renderHeader(headers));
  return alignTable(`${header}\n${lines.join('')}`, listLayout);
}

export function compile(source: string): CompiledTemplate {
  return wrap('failed to parse template', () => compileTemplate(source));
}

export function render(run: () => string): string {
  return wrap('failed to execute template', run);
}

function wrap<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new CliError(`${what}: ${messageOf(error)}`);
  }
}
